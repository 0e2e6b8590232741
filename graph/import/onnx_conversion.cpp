#include "graph/import/onnx_conversion.h"

#include <algorithm>
#include <cmath>

#include "graph/infer.h"
#include "graph/input_limits.h"
#include "graph/text.h"

namespace residua::graph::onnx {
namespace {

// Shapes, axes and counts have an entry or two per dimension.
constexpr std::int64_t most_operand_elements = 64;

std::string_view name_of(AttributeType type) {
  switch (type) {
    case AttributeType::undefined:
      return "UNDEFINED";
    case AttributeType::number:
      return "FLOAT";
    case AttributeType::integer:
      return "INT";
    case AttributeType::text:
      return "STRING";
    case AttributeType::tensor:
      return "TENSOR";
    case AttributeType::numbers:
      return "FLOATS";
    case AttributeType::integers:
      return "INTS";
  }
  return "UNKNOWN";
}

}  // namespace

std::string describe_node(const NodeMessage& node, const std::string& name) {
  return "node " + graph::quoted(name) + " (" + std::string(node.op_type) + ")";
}

Conversion::Conversion(Graph& graph, TensorLoader& loader, const NodeMessage& node, std::string name,
                       std::vector<TensorId> inputs, std::int64_t opset, bool fixed_batch)
    : graph_(graph),
      loader_(loader),
      node_(node),
      name_(std::move(name)),
      inputs_(std::move(inputs)),
      opset_(opset),
      fixed_batch_(fixed_batch),
      used_attributes_(node.attributes.size(), false) {}

Error Conversion::error(ErrorCode code, const std::string& reason) const {
  return {code, describe_node(node_, name_) + ": " + reason};
}

bool Conversion::has_attribute(std::string_view name) const {
  return std::any_of(node_.attributes.begin(), node_.attributes.end(),
                     [&](const AttributeMessage& attribute) { return attribute.name == name; });
}

Result<const AttributeMessage*> Conversion::find(std::string_view name, AttributeType type) {
  const AttributeMessage* found = nullptr;
  for (std::size_t i = 0; i < node_.attributes.size(); ++i) {
    const AttributeMessage& attribute = node_.attributes[i];
    if (attribute.name != name) continue;
    const std::string described = "attribute " + graph::quoted(name);
    if (found) return error(ErrorCode::malformed, described + " is given twice");
    if (attribute.is_reference) return error(ErrorCode::malformed, described + " refers to a function's attribute");
    // Files older than the type field leave it undefined.
    if (attribute.type != static_cast<std::int32_t>(type) && attribute.type != 0) {
      return error(ErrorCode::malformed, described + " is of type " + std::to_string(attribute.type) + ", expected " +
                                             std::string(name_of(type)) + " (" +
                                             std::to_string(static_cast<std::int32_t>(type)) + ")");
    }
    used_attributes_[i] = true;
    found = &attribute;
  }
  return found;
}

Result<std::int64_t> Conversion::integer(std::string_view name, std::int64_t fallback) {
  RESIDUA_ASSIGN(const AttributeMessage* attribute, find(name, AttributeType::integer));
  return attribute ? attribute->integer : fallback;
}

Result<bool> Conversion::flag(std::string_view name, bool fallback) {
  RESIDUA_ASSIGN(const std::int64_t value, integer(name, fallback ? 1 : 0));
  if (value != 0 && value != 1) {
    return error(ErrorCode::malformed,
                 "attribute " + graph::quoted(name) + " is " + std::to_string(value) + ", expected 0 or 1");
  }
  return value == 1;
}

Result<double> Conversion::number(std::string_view name, double fallback) {
  RESIDUA_ASSIGN(const AttributeMessage* attribute, find(name, AttributeType::number));
  if (attribute && std::isnan(attribute->number)) {
    return error(ErrorCode::malformed, "attribute " + graph::quoted(name) + " is not a number");
  }
  return attribute ? static_cast<double>(attribute->number) : fallback;
}

Result<std::string_view> Conversion::text(std::string_view name, std::string_view fallback) {
  RESIDUA_ASSIGN(const AttributeMessage* attribute, find(name, AttributeType::text));
  return attribute ? attribute->text : fallback;
}

Result<std::vector<std::int64_t>> Conversion::integers(std::string_view name) {
  RESIDUA_ASSIGN(const AttributeMessage* attribute, find(name, AttributeType::integers));
  return attribute ? attribute->integers : std::vector<std::int64_t>{};
}

Result<std::vector<float>> Conversion::numbers(std::string_view name) {
  RESIDUA_ASSIGN(const AttributeMessage* attribute, find(name, AttributeType::numbers));
  return attribute ? attribute->numbers : std::vector<float>{};
}

Result<std::optional<Tensor>> Conversion::tensor_attribute(std::string_view name) {
  RESIDUA_ASSIGN(const AttributeMessage* attribute, find(name, AttributeType::tensor));
  if (!attribute) return std::optional<Tensor>{};
  if (!attribute->tensor) return error(ErrorCode::malformed, "attribute " + graph::quoted(name) + " holds no tensor");
  const auto message = parse_tensor(loader_.file().span(), *attribute->tensor);
  if (!message) return error(message.error().code, "attribute " + graph::quoted(name) + ": " + message.error().message);
  auto tensor = loader_.load(*message);
  if (!tensor) return error(tensor.error().code, "attribute " + graph::quoted(name) + ": " + tensor.error().message);
  return std::optional<Tensor>(std::move(*tensor));
}

void Conversion::ignore(std::initializer_list<std::string_view> names) {
  for (std::size_t i = 0; i < node_.attributes.size(); ++i) {
    if (std::find(names.begin(), names.end(), node_.attributes[i].name) != names.end()) used_attributes_[i] = true;
  }
}

Status Conversion::check_all_attributes_used() const {
  const auto unused = std::find(used_attributes_.begin(), used_attributes_.end(), false);
  if (unused == used_attributes_.end()) return {};
  const auto index = static_cast<std::size_t>(unused - used_attributes_.begin());
  return error(ErrorCode::unsupported, "attribute " + graph::quoted(node_.attributes[index].name) +
                                           " is not known in opset " + std::to_string(opset_));
}

// Nodes stand in order and an input is often the last one's output, so the search ends soon.
const Node* Conversion::producer(std::size_t index) const {
  const auto makes_it = [id = input(index)](const Node& node) { return node.output == id; };
  const auto found = std::find_if(graph_.nodes.rbegin(), graph_.nodes.rend(), makes_it);
  return has_input(index) && found != graph_.nodes.rend() ? &*found : nullptr;
}

std::string Conversion::describe(std::string_view role, std::size_t index) const {
  return std::string(role) + " " + graph::quoted(node_.inputs[index]);
}

Result<std::optional<std::vector<std::int64_t>>> Conversion::constant_integers(std::string_view role,
                                                                               std::size_t index) const {
  if (!is_constant(index)) return std::optional<std::vector<std::int64_t>>{};
  const Tensor& constant = tensor(input(index));
  const auto count = element_count(constant.shape);
  if (is_floating_point(constant.type) || constant.shape.size() > 1 || !count || *count > most_operand_elements) {
    return error(ErrorCode::mismatch, describe(role, index) + " is " + std::string(graph::name_of(constant.type)) +
                                          " " + to_string(constant.shape) + ", expected at most " +
                                          std::to_string(most_operand_elements) + " integers in one dimension");
  }
  return std::optional(read_integers(constant));
}

Result<std::optional<double>> Conversion::constant_number(std::string_view role, std::size_t index) const {
  if (!has_input(index)) return std::optional<double>{};
  const Tensor& constant = tensor(input(index));
  if (!constant.is_constant()) {
    return error(ErrorCode::unsupported, describe(role, index) + " is computed, expected a constant");
  }
  if (const auto count = element_count(constant.shape); !count || *count != 1) {
    return error(ErrorCode::mismatch,
                 describe(role, index) + " has shape " + to_string(constant.shape) + ", expected one element");
  }
  const double value = is_floating_point(constant.type) ? static_cast<double>(read_floats(constant)[0])
                                                        : static_cast<double>(read_integers(constant)[0]);
  if (std::isnan(value)) return error(ErrorCode::malformed, describe(role, index) + " is not a number");
  return std::optional(value);
}

Result<TensorId> Conversion::append(Op op, std::string name, std::vector<TensorId> inputs, std::string output,
                                    Attributes attributes) {
  RESIDUA_RETURN_IF_ERROR(check_limit(Limit::nodes, graph_.nodes.size() + 1, "nodes of the graph"));
  while (!inputs.empty() && inputs.back() == no_tensor) inputs.pop_back();
  Node node{op, std::move(name), std::move(inputs), no_tensor, std::move(attributes)};
  RESIDUA_ASSIGN(TensorType type, infer(graph_, node));
  node.output = graph_.add({std::move(output), type.type, std::move(type.shape), {}});
  graph_.nodes.push_back(std::move(node));
  return graph_.nodes.back().output;
}

Result<TensorId> Conversion::emit(Op op, std::vector<TensorId> inputs, Attributes attributes, std::string_view suffix) {
  const std::string ending(suffix);
  return append(op, name_ + ending, std::move(inputs), output_name() + ending, std::move(attributes));
}

Result<TensorId> Conversion::emit_output(std::size_t index, Op op, std::vector<TensorId> inputs,
                                         Attributes attributes) {
  made_.resize(std::max(made_.size(), index + 1), no_tensor);
  RESIDUA_ASSIGN(made_[index], append(op, name_ + "." + std::to_string(index), std::move(inputs), output_name(index),
                                      std::move(attributes)));
  return made_[index];
}

}  // namespace residua::graph::onnx
