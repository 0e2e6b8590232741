#include "engine/trace.h"

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>

#include "graph/operators.h"

namespace residua::engine {
namespace {

// Scalars only: to destroy an array or an object, nlohmann's json asks for memory, and ends the process where there is
// none.
std::string text_of(const nlohmann::json& scalar) {
  return scalar.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

constexpr int process = 1;
// Rows of the trace: 0 for the run and for what all workers do together, 1 + worker for the rest.
int row_of(int worker) { return worker + 1; }

struct Field {
  const char* name;
  std::string text;
};

std::string object(std::initializer_list<Field> fields) {
  std::string text = "{";
  for (const Field& field : fields) {
    if (text.size() > 1) text += ',';
    text += '"';
    text += field.name;
    text += "\":";
    text += field.text;
  }
  return text + "}";
}

std::string complete_event(const std::string& name, std::string_view category, int row, double begin_ms, double end_ms,
                           std::string arguments) {
  return object({{"name", text_of(name)},
                 {"cat", text_of(category)},
                 {"ph", "\"X\""},
                 {"pid", text_of(process)},
                 {"tid", text_of(row)},
                 {"ts", text_of(1e3 * begin_ms)},
                 {"dur", text_of(1e3 * (end_ms - begin_ms))},
                 {"args", std::move(arguments)}});
}

std::string name_of_row(int row, const std::string& name) {
  return object({{"name", "\"thread_name\""},
                 {"ph", "\"M\""},
                 {"pid", text_of(process)},
                 {"tid", text_of(row)},
                 {"args", object({{"name", text_of(name)}})}});
}

}  // namespace

std::string trace_json(const RunInfo& run) {
  std::string events = name_of_row(0, "all workers");
  std::set<int> workers;
  for (const LayerEvent& event : run.events)
    if (event.worker >= 0 && workers.insert(event.worker).second)
      events += ",\n" + name_of_row(row_of(event.worker), "worker " + std::to_string(event.worker));
  events += ",\n" + complete_event("run", "run", 0, 0, run.total_milliseconds + run.waited_milliseconds,
                                   object({{"images", text_of(run.images)},
                                           {"threads", text_of(run.program->key.threads)},
                                           {"planning_ms", text_of(run.planning_milliseconds)},
                                           {"preparation_ms", text_of(run.preparation_milliseconds)}}));
  for (const LayerEvent& event : run.events) {
    const Step& step = *run.program->layers[static_cast<std::size_t>(event.layer)].step;
    events +=
        ",\n" + complete_event(step.name, graph::info_of(step.op).name, row_of(event.worker),
                               milliseconds_between(run.begin, event.begin), milliseconds_between(run.begin, event.end),
                               object({{"implementation", text_of(step.implementation)},
                                       {"gflop", text_of(step.gflop)},
                                       {"image", text_of(event.image)},
                                       {"layer", text_of(event.layer)}}));
  }
  return object({{"displayTimeUnit", "\"ms\""}, {"traceEvents", "[\n" + events + "\n]"}}) + "\n";
}

}  // namespace residua::engine
