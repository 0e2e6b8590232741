#include "engine/describe.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "engine/format_numbers.h"
#include "engine/layout.h"
#include "graph/operators.h"
#include "graph/text.h"

namespace residua::engine {
namespace {

using graph::Graph;
using graph::Node;
using graph::TensorId;
using json = nlohmann::ordered_json;

json shape_to_json(const graph::Shape& shape) {
  json list = json::array();
  for (graph::Dimension dimension : shape) {
    if (dimension == graph::batch_dimension)
      list.push_back("N");
    else if (!graph::is_static(dimension))
      list.push_back("?");
    else
      list.push_back(dimension);
  }
  return list;
}

// One overload a field type of the attribute structs.
json to_json(std::int64_t value) { return value; }
json to_json(double value) { return value; }
json to_json(bool value) { return value; }
json to_json(const graph::Pair& value) { return value; }
json to_json(const std::vector<std::int64_t>& value) { return value; }
json to_json(const graph::Padding& value) { return {value.top, value.left, value.bottom, value.right}; }
json to_json(graph::Activation value) { return value == graph::Activation::relu ? "relu" : "none"; }
json to_json(graph::PadMode value) { return graph::name_of(value); }
json to_json(graph::ElementType value) { return name_of(value); }

json attributes_to_json(const Node& node) {
  json object = json::object();
  std::visit(
      [&](const auto& attributes) {
        std::decay_t<decltype(attributes)>::fields(
            attributes, [&](const char* name, const auto& value) { object[name] = to_json(value); });
      },
      node.attributes);
  return object;
}

json tensor_to_json(const graph::Tensor& tensor) {
  return {{"name", tensor.name}, {"type", name_of(tensor.type)}, {"shape", shape_to_json(tensor.shape)}};
}

std::string dump(const json& value) { return value.dump(2, ' ', false, json::error_handler_t::replace) + "\n"; }

std::string name_in(const Graph& graph, TensorId id) {
  if (id == graph::no_tensor) return "";
  const std::string& name = graph.tensor(id).name;
  return name.empty() ? "%" + std::to_string(id) : name;
}

json graph_to_json(const Graph& graph) {
  json result{{"name", graph.name}, {"inputs", json::array()}, {"outputs", json::array()}, {"nodes", json::array()}};
  for (TensorId id : graph.inputs) result["inputs"].push_back(tensor_to_json(graph.tensor(id)));
  for (TensorId id : graph.outputs) result["outputs"].push_back(tensor_to_json(graph.tensor(id)));
  for (const Node& node : graph.nodes) {
    json inputs = json::array();
    for (TensorId id : node.inputs) {
      json input{{"tensor", name_in(graph, id)}};
      if (id != graph::no_tensor && graph.tensor(id).is_constant())
        input["constant"] = shape_to_json(graph.tensor(id).shape);
      inputs.push_back(input);
    }
    result["nodes"].push_back({{"name", node.name},
                               {"op", graph::info_of(node.op).name},
                               {"attributes", attributes_to_json(node)},
                               {"inputs", inputs},
                               {"output", name_in(graph, node.output)},
                               {"shape", shape_to_json(graph.tensor(node.output).shape)}});
  }
  return result;
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c == '\n' || c == '\r' ? ' ' : c;
  }
  return result + "\"";
}

// Boxes for nodes, arrows for tensors that are no constants. `detail` adds a line to a node's box.
template <class Detail>
std::string graph_to_dot(const Graph& graph, const Detail& detail) {
  std::ostringstream out;
  out << "digraph " << quoted(graph.name) << " {\n  rankdir=TB;\n  node [shape=box, fontname=\"sans-serif\"];\n";
  for (TensorId id : graph.inputs)
    out << "  t" << id
        << " [shape=ellipse, label=" << quoted(graph.tensor(id).name + " " + graph::to_string(graph.tensor(id).shape))
        << "];\n";
  for (const Node& node : graph.nodes) {
    const std::string label = std::string(graph::info_of(node.op).name) + "  " + node.name + "\\n" +
                              graph::to_string(graph.tensor(node.output).shape) + detail(node);
    // The line break is Graphviz's own escape: it must survive quoting.
    std::string text = quoted(label);
    for (std::size_t at = 0; (at = text.find("\\\\n", at)) != std::string::npos;) text.erase(at, 1);
    out << "  t" << node.output << " [label=" << text << "];\n";
    for (TensorId id : node.inputs)
      if (id != graph::no_tensor && !graph.tensor(id).is_constant())
        out << "  t" << id << " -> t" << node.output << ";\n";
  }
  out << "}\n";
  return out.str();
}

const Step* step_of(const Plan& plan, TensorId output) {
  const auto found =
      std::find_if(plan.steps.begin(), plan.steps.end(), [&](const Step& step) { return step.output == output; });
  return found == plan.steps.end() ? nullptr : &*found;
}

// Columns two blanks apart.
std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows[0].size(), 0);
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i + 1 < row.size(); ++i) text += row[i] + std::string(widths[i] - row[i].size() + 2, ' ');
    text += row.back() + "\n";
  }
  return text;
}

std::string plan_to_text(const Plan& plan) {
  std::ostringstream out;
  out << "plan \"" << plan.graph.name << "\" for " << graph::to_string(plan.graph.tensor(plan.graph.inputs[0]).shape)
      << ", " << plan.key.threads << (plan.key.threads == 1 ? " thread" : " threads") << "\n"
      << plan.steps.size() << " steps, " << fixed(plan.gflop, 3) << " GFLOP, arena " << megabytes(plan.arena_bytes)
      << " (largest set alive together " << megabytes(plan.arena_lower_bound) << "), scratch "
      << megabytes(plan.scratch_bytes) << "\n\n";
  std::vector<std::vector<std::string>> rows{{"step", "op", "implementation", "output", "offset", "bytes"}};
  for (const Step& step : plan.steps) {
    const auto& shape = plan.graph.tensor(step.output).shape;
    rows.push_back({step.name, std::string(graph::info_of(step.op).name), step.implementation, graph::to_string(shape),
                    std::to_string(plan.offsets[static_cast<std::size_t>(step.output)]) +
                        (step.overwrites == graph::no_tensor ? "" : " in place"),
                    std::to_string(float_bytes(shape))});
  }
  std::vector<std::vector<std::string>> reasons{{"step", "not", "because"}};
  for (std::size_t i = 0; i < plan.steps.size(); ++i)
    for (const Rejection& rejection : plan.rejections[i])
      reasons.push_back({plan.steps[i].name, rejection.implementation, rejection.reason});
  out << table(rows) << "\n" << table(reasons);
  return out.str();
}

json plan_to_json(const Plan& plan) {
  json steps = json::array();
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const Step& step = plan.steps[i];
    json rejections = json::array();
    for (const Rejection& rejection : plan.rejections[i])
      rejections.push_back({{"implementation", rejection.implementation}, {"reason", rejection.reason}});
    steps.push_back({{"name", step.name},
                     {"op", graph::info_of(step.op).name},
                     {"implementation", step.implementation},
                     {"rejected", rejections},
                     {"shape", shape_to_json(plan.graph.tensor(step.output).shape)},
                     {"offset", plan.offsets[static_cast<std::size_t>(step.output)]},
                     {"in_place", step.overwrites != graph::no_tensor},
                     {"scratch_bytes", step.scratch_bytes},
                     {"gflop", step.gflop}});
  }
  return {{"name", plan.graph.name},
          {"input", shape_to_json(plan.graph.tensor(plan.graph.inputs[0]).shape)},
          {"threads", plan.key.threads},
          {"arena_bytes", plan.arena_bytes},
          {"arena_lower_bound", plan.arena_lower_bound},
          {"scratch_bytes", plan.scratch_bytes},
          {"gflop", plan.gflop},
          {"steps", steps}};
}

}  // namespace

std::string describe(const Graph& graph, TextFormat format) {
  switch (format) {
    case TextFormat::text:
      return graph::to_text(graph);
    case TextFormat::json:
      return dump(graph_to_json(graph));
    case TextFormat::dot:
      return graph_to_dot(graph, [](const Node&) { return std::string(); });
  }
  throw graph::InternalError("unknown text format");
}

std::string describe(const Plan& plan, TextFormat format) {
  switch (format) {
    case TextFormat::text:
      return plan_to_text(plan);
    case TextFormat::json:
      return dump(plan_to_json(plan));
    case TextFormat::dot:
      return graph_to_dot(plan.graph, [&](const Node& node) {
        const Step* step = step_of(plan, node.output);
        return "\\n" + (step ? step->implementation : std::string("(shares its input's memory)"));
      });
  }
  throw graph::InternalError("unknown text format");
}

std::string describe(const Program& program, TextFormat format) {
  if (format == TextFormat::json) {
    json segments = json::array();
    for (const Segment& segment : program.segments) {
      json plan = plan_to_json(*segment.plan);
      plan["alone"] = segment.alone;
      segments.push_back(std::move(plan));
    }
    return dump({{"batch", program.key.batch},
                 {"threads", program.key.threads},
                 {"schedule", program.key.whole_images ? "throughput" : "latency"},
                 {"gflop", program.gflop},
                 {"segments", std::move(segments)}});
  }
  std::string text;
  for (const Segment& segment : program.segments) {
    if (!text.empty()) text += '\n';
    text += describe(*segment.plan, format);
  }
  return text;
}

}  // namespace residua::engine
