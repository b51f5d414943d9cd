"""A slurmd that cannot do what a job asks for must refuse the job, and live on."""

from tests.attacks.student import Student

WAYS = (
    ("--get-user-env",), ("--get-user-env=10L",), ("--export=NONE",), ("--export=FOO=1",),
    ("--export=ALL", "--get-user-env"),
)  # fmt: skip


def attack(student: Student) -> list[str]:
    """The ways after which a run did not come to its end; the runner looks at the node."""
    bundle = student.pack(student.good_bundle())
    wrong = []
    for options in WAYS:
        student.submit(student.job_directory(None), *options)
        if student.run_bundle(bundle).get("outcome", {}).get("kind") != "exited":
            wrong.append(" ".join(options))
    return wrong
