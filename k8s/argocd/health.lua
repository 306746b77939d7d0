-- The health of a TaskRun for Argo CD. It reads the conditions and never the phase: there may come
-- more phases, the conditions are the contract. Argo CD runs Lua 5.1 with nothing but the basic
-- functions and `table`, so there is no `string` here.
local status = obj.status or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local function answer(kind)
  return (conditions[kind] or {}).status
end

local function health(state, kind)
  local condition = conditions[kind] or {}
  local message = condition.reason or ""
  if condition.message and condition.message ~= "" then
    message = message .. ": " .. condition.message
  end
  return {status = state, message = message}
end

if status.observedGeneration == nil or status.observedGeneration ~= obj.metadata.generation then
  return {status = "Progressing", message = "the operator has not seen this TaskRun as it is now"}
end

-- A joined run has ended and leaves its success open, so only a False is a failure.
if answer("Finished") == "True" then
  return health(answer("Succeeded") == "False" and "Degraded" or "Healthy", "Succeeded")
end

-- What goes on by itself is progressing; what waits for a human, or for word from a worker, is not.
if answer("Terminated") == "Unknown" then
  return health("Suspended", "Terminated")
end
local waits = (conditions["Reconciling"] or {}).reason
if waits == "LockPaused" or waits == "QueuePaused" then
  return health("Suspended", "Reconciling")
end
return health("Progressing", "Reconciling")
