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

-- What a user asks for gets into the controller's log, where a line end would begin a line of its own, as
-- if the controller had written it.
local ASKED = {
    "account", "batch_features", "burst_buffer", "clusters", "comment", "container", "dependency",
    "exc_nodes", "extra", "features", "gres", "licenses", "mail_user", "mcs_label", "network",
    "partition", "prefer", "qos", "req_nodes", "reservation", "tres_bind", "tres_freq",
    "tres_per_job", "tres_per_node", "wckey",
}

local function asks_in_plain_text(job)
    for _, field in ipairs(ASKED) do
        if tostring(job[field] or ""):find("%c") then
            return false
        end
    end
    return true
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

-- Users take turns: a user's first job comes before everybody's second. Slurm's list is made anew when
-- a second has begun in which a job changed; its entries are true at any time, but jobs that came since
-- are not in it. Those are known here by their names.
local FORGOTTEN_SECONDS = 3
-- No run is over sooner. Of the jobs that are not in the list so many may have ended already, if each
-- was submitted when the one before it had ended; they are not to stand in their owner's way.
local SHORTEST_SECONDS = 0.25
local unlisted = {}

-- os.time() knows whole seconds only.
local function seconds_now()
    local file = io.open("/proc/uptime")
    local text = file and file:read("*l") or ""
    if file then
        file:close()
    end
    return tonumber(text:match("^[%d.]+")) or os.time()
end

local function count_unlisted(uid, listed, now)
    local count, oldest = 0, now
    for name, since in pairs(unlisted[uid] or {}) do
        if listed[name] or now - since > FORGOTTEN_SECONDS then
            unlisted[uid][name] = nil
        else
            count, oldest = count + 1, math.min(oldest, since)
        end
    end
    return math.max(count - math.floor((now - oldest) / SHORTEST_SECONDS), 0)
end

local function jobs_of(uid, name)
    local count, listed, now = 0, {}, seconds_now()
    for _, job in pairs(slurm.jobs) do
        if job.user_id == uid then
            listed[job.name or ""] = true
            if job.job_state < 3 then -- pending, running, suspended
                count = count + 1
            end
        end
    end
    count = count + count_unlisted(uid, listed, now)
    unlisted[uid] = unlisted[uid] or {}
    unlisted[uid][name] = now
    return count
end

function slurm_job_submit(job, partitions, uid)
    if uid == 0 then
        return slurm.SUCCESS
    end
    if not (job.name or ""):match("^cfiddle%-%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x$") then
        return refuse("This cluster runs CFiddle experiments only: use cfiddle_slurm, not sbatch.")
    end
    if not asks_in_plain_text(job) then
        return refuse("An option of this job holds a control character, such as a line end.")
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
    job.nice = NICE_OFFSET + math.min(NICE_STEP * jobs_of(uid, job.name), NICE_MOST)
    return slurm.SUCCESS
end

function slurm_job_modify(job, record, partitions, uid)
    if uid == 0 then
        return slurm.SUCCESS
    end
    return refuse("Jobs cannot be changed here; scancel ends them.")
end

return slurm.SUCCESS
