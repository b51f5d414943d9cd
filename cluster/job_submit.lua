-- What ordinary users may submit: the jobs of cfiddle_slurm, and nothing else. Root, and so the
-- administrator, may submit anything. Slurm runs this in the controller (slurm.conf(5),
-- JobSubmitPlugins); the answer to a refused user is what log_user says.

-- Word for word the batch script of the Python package, up to the job directory. A notebook that was
-- opened before an update submits the text of the version before: when it changes, both are here.
local SCRIPTS = {
    [[
#!/bin/sh
# One run of a CFiddle experiment, submitted by cfiddle_slurm. This text is always the same, but for
# the job directory's path.
PATH=/usr/local/bin:/usr/bin:/bin
export PATH
exec cfiddle-sandbox run ]],
}

-- So much later in the queue is each further job of the same user.
local NICE_STEP = 10000
local NICE_MOST = 900000000
local NICE_OFFSET = 0x80000000 -- what slurm.h calls so: the value that stands for 0

local function refuse(why)
    slurm.log_user("%s", why)
    return slurm.ERROR
end

-- One word as a POSIX shell reads it: plain characters, or 'quoted' with '"'"' for a quote.
local function is_one_word(text)
    if text:match("^/[%w@%%_%-+=:,./]*$") then
        return true
    end
    local inside = text:match("^'(/.*)'$")
    return inside ~= nil and not inside:gsub("'\"'\"'", ""):find("'", 1, true)
end

-- srun and salloc bring no script. What a user runs in such an allocation is the user's own, under the
-- user's own account, and ends with the allocation: see docs/security.md.
local function is_ours(job)
    if job.script == nil or job.script == "" then
        return true
    end
    if job.script:sub(-1) ~= "\n" then
        return false
    end
    for _, script in ipairs(SCRIPTS) do
        if job.script:sub(1, #script) == script then
            return is_one_word(job.script:sub(#script + 1, -2))
        end
    end
    return false
end

-- A run is one job on one worker, for no longer than the sandbox policy can take.
local NOT_GIVEN = 0xfffffffe -- NO_VAL of slurm.h; what is above stands for "unlimited"

local function minutes_allowed(job, partitions)
    for name, partition in pairs(partitions) do
        if job.partition == nil or job.partition == name then
            return partition.default_time
        end
    end
    return nil
end

local function keep_small(job, partitions)
    local most = minutes_allowed(job, partitions)
    if most ~= nil and most < NOT_GIVEN and (job.time_limit == nil or job.time_limit > most) then
        job.time_limit = most
    end
    job.min_nodes, job.max_nodes, job.num_tasks = 1, 1, 1
    job.mail_type = 0
end

-- Users take turns: a user's first job comes before everybody's second. Slurm's list of jobs is brought
-- up to date once a second only; what came since then is counted here.
local BURST_SECONDS = 3
local latest = {}

local function jobs_of(uid)
    local count = 0
    for _, job in pairs(slurm.jobs) do
        if job.user_id == uid and job.job_state < 3 then -- pending, running, suspended
            count = count + 1
        end
    end
    local before, now = latest[uid], os.time()
    if before ~= nil and now - before.time <= BURST_SECONDS then
        count = math.max(count, before.count + 1)
    end
    latest[uid] = { time = now, count = count }
    return count
end

function slurm_job_submit(job, partitions, uid)
    if uid == 0 then
        return slurm.SUCCESS
    end
    if not (job.name or ""):match("^cfiddle%-%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x$") then
        return refuse("This cluster runs CFiddle experiments only: use cfiddle_slurm, not sbatch.")
    end
    if not is_ours(job) then
        return refuse("The job script is not cfiddle_slurm's: install the cluster's version of it.")
    end
    if job.array_inx ~= nil and job.array_inx ~= "" then
        return refuse("A run of cfiddle_slurm is one job: job arrays are not accepted here.")
    end
    if job.het_job_offset ~= nil and job.het_job_offset < NOT_GIVEN then
        return refuse("A run of cfiddle_slurm is one job: heterogeneous jobs are not accepted here.")
    end
    keep_small(job, partitions)
    job.nice = NICE_OFFSET + math.min(NICE_STEP * jobs_of(uid), NICE_MOST)
    return slurm.SUCCESS
end

function slurm_job_modify(job, record, partitions, uid)
    if uid == 0 then
        return slurm.SUCCESS
    end
    return refuse("Jobs cannot be changed here; scancel ends them.")
end

return slurm.SUCCESS
