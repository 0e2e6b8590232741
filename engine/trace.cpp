#include "engine/trace.h"

#include <nlohmann/json.hpp>
#include <set>

#include "graph/operators.h"

namespace residua::engine {
namespace {

using nlohmann::json;

constexpr int process = 1;
// Rows of the trace: 0 for the run and for what all workers do together, 1 + worker for the rest.
int row_of(int worker) { return worker + 1; }

json complete_event(const std::string& name, std::string_view category, int row, double begin_ms, double end_ms,
                    json arguments) {
  return {{"name", name},
          {"cat", category},
          {"ph", "X"},
          {"pid", process},
          {"tid", row},
          {"ts", 1e3 * begin_ms},
          {"dur", 1e3 * (end_ms - begin_ms)},
          {"args", std::move(arguments)}};
}

json name_of_row(int row, const std::string& name) {
  return {{"name", "thread_name"}, {"ph", "M"}, {"pid", process}, {"tid", row}, {"args", {{"name", name}}}};
}

}  // namespace

std::string trace_json(const RunInfo& run) {
  json events = json::array();
  events.push_back(name_of_row(0, "all workers"));
  std::set<int> workers;
  for (const LayerEvent& event : run.events)
    if (event.worker >= 0 && workers.insert(event.worker).second)
      events.push_back(name_of_row(row_of(event.worker), "worker " + std::to_string(event.worker)));
  events.push_back(complete_event("run", "run", 0, 0, run.total_milliseconds + run.waited_milliseconds,
                                  {{"images", run.images},
                                   {"threads", run.program->key.threads},
                                   {"planning_ms", run.planning_milliseconds},
                                   {"preparation_ms", run.preparation_milliseconds}}));
  for (const LayerEvent& event : run.events) {
    const Step& step = *run.program->layers[static_cast<std::size_t>(event.layer)].step;
    events.push_back(complete_event(step.name, graph::info_of(step.op).name, row_of(event.worker),
                                    milliseconds_between(run.begin, event.begin),
                                    milliseconds_between(run.begin, event.end),
                                    {{"implementation", step.implementation},
                                     {"gflop", step.gflop},
                                     {"image", event.image},
                                     {"layer", event.layer}}));
  }
  const json trace = {{"displayTimeUnit", "ms"}, {"traceEvents", std::move(events)}};
  return trace.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace residua::engine
