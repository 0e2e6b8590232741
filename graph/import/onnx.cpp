// ONNX model -> verified graph: names, order, inputs and outputs. What a node means stands in onnx_operators.cpp.
#include <algorithm>
#include <new>
#include <set>
#include <unordered_map>

#include "graph/import/import.h"
#include "graph/import/onnx_operators.h"
#include "graph/import/onnx_schema.h"
#include "graph/import/onnx_tensors.h"
#include "graph/text.h"
#include "graph/verify.h"

namespace residua::graph {
namespace onnx {
namespace {

constexpr std::int64_t first_ir_version = 3;  // the first with opset_import

// The default domain has two names.
std::string_view plain_domain(std::string_view domain) { return domain == "ai.onnx" ? std::string_view{} : domain; }
bool is_default_domain(std::string_view domain) { return plain_domain(domain).empty(); }

// What a name in the file stands for.
struct Binding {
  TensorId id = no_tensor;
  const TensorMessage* initializer = nullptr;  // not loaded before something reads it
  const NodeMessage* node = nullptr;           // whose second or later output it is: none of those is computed
};

class Importer {
 public:
  Importer(const FileBytes& file, const std::filesystem::path& folder, const ModelMessage& model,
           const GraphMessage& source)
      : model_(model), source_(source), loader_(file, folder) {
    for (const FunctionMessage& function : model.functions) {
      functions_.emplace(plain_domain(function.domain), function.name);
    }
  }

  Result<Graph> run() {
    graph_.name = std::string(source_.name);
    RESIDUA_RETURN_IF_ERROR(read_opset());
    RESIDUA_RETURN_IF_ERROR(bind_initializers());
    RESIDUA_RETURN_IF_ERROR(bind_input());
    for (std::size_t i = 0; i < source_.nodes.size(); ++i) RESIDUA_RETURN_IF_ERROR(convert(i));
    RESIDUA_RETURN_IF_ERROR(collect_outputs());
    drop_unused_tensors();
    RESIDUA_RETURN_IF_ERROR(verify(graph_));
    return std::move(graph_);
  }

  std::vector<std::string> other_files() const { return loader_.external_files(); }

 private:
  Status read_opset() {
    if (model_.ir_version < first_ir_version) {
      return Error{ErrorCode::unsupported, "ir_version is " + std::to_string(model_.ir_version) + ", expected " +
                                               std::to_string(first_ir_version) + " or later"};
    }
    std::optional<std::int64_t> found;
    for (const OperatorSet& set : model_.operator_sets) {
      if (!is_default_domain(set.domain)) continue;
      if (found && *found != set.version) return Error{ErrorCode::malformed, "the file imports two opsets of ai.onnx"};
      found = set.version;
    }
    const std::string supported = "expected " + std::to_string(first_opset) + " to " + std::to_string(last_opset);
    if (!found) return Error{ErrorCode::malformed, "the file imports no opset of ai.onnx, " + supported};
    if (*found < first_opset || *found > last_opset) {
      return Error{ErrorCode::unsupported, "the file uses opset " + std::to_string(*found) + ", " + supported};
    }
    opset_ = *found;
    return {};
  }

  Status bind(std::string_view name, const Binding& binding, const std::string& what) {
    if (names_.emplace(name, binding).second) return {};
    return Error{ErrorCode::malformed, what + " defines " + graph::quoted(name) + " a second time"};
  }

  Status bind_initializers() {
    if (source_.has_sparse_initializers) {
      return Error{ErrorCode::unsupported, "the graph holds sparse initializers, expected dense ones"};
    }
    for (const TensorMessage& initializer : source_.initializers) {
      if (initializer.name.empty()) {
        return Error{ErrorCode::malformed,
                     "the initializer at byte " + std::to_string(initializer.position) + " has no name"};
      }
      RESIDUA_RETURN_IF_ERROR(bind(initializer.name, {no_tensor, &initializer, nullptr}, "an initializer"));
    }
    return {};
  }

  // Initializers may be listed among the inputs, too; what is left must be the images.
  Status bind_input() {
    const ValueInfoMessage* images = nullptr;
    for (const ValueInfoMessage& input : source_.inputs) {
      if (const auto known = names_.find(input.name); known != names_.end() && known->second.initializer) continue;
      if (images) {
        return Error{ErrorCode::unsupported, "the graph has inputs " + graph::quoted(images->name) + " and " +
                                                 graph::quoted(input.name) + ", expected one"};
      }
      images = &input;
    }
    if (!images) return Error{ErrorCode::malformed, "the graph has no input that is not an initializer, expected one"};
    const std::string what = "input " + graph::quoted(images->name);
    if (images->name.empty()) return Error{ErrorCode::malformed, "the graph's input has no name"};
    if (!images->is_tensor) return Error{ErrorCode::unsupported, what + " is not a tensor"};
    const auto type = element_type_info(images->element_type);
    if (!type) return Error{type.error().code, what + " has " + type.error().message};
    if (type->in_graph != ElementType::float32) {
      return Error{ErrorCode::unsupported,
                   what + " is of type " + std::string(type->name) + ", expected FLOAT, FLOAT16, BFLOAT16 or DOUBLE"};
    }
    RESIDUA_ASSIGN(Shape shape, input_shape(*images, what));
    const TensorId id = graph_.add({std::string(images->name), ElementType::float32, std::move(shape), {}});
    graph_.inputs.push_back(id);
    return bind(images->name, {id, nullptr, nullptr}, what);
  }

  Result<Shape> input_shape(const ValueInfoMessage& input, const std::string& what) {
    if (!input.shape || input.shape->size() != 4) {
      return Error{ErrorCode::unsupported,
                   what + " has " + (input.shape ? "rank " + std::to_string(input.shape->size()) : "no shape") +
                       ", expected rank 4 (images)"};
    }
    Shape shape;
    for (const DimensionMessage& dimension : *input.shape) {
      const bool is_first = shape.empty();
      if (!dimension.value) {
        shape.push_back(is_first ? batch_dimension : unknown_dimension);
      } else if (*dimension.value < 1) {
        return Error{ErrorCode::malformed, what + " has a dimension of " + std::to_string(*dimension.value) +
                                               ", expected at least 1 or a symbol"};
      } else if (is_first && *dimension.value == 1) {
        // An export of one example image: nothing but shape constants depends on the 1, and any batch can run.
        fixed_batch_ = true;
        shape.push_back(batch_dimension);
      } else {
        shape.push_back(*dimension.value);
      }
    }
    return shape;
  }

  std::string name_of_node(std::size_t index) const {
    const NodeMessage& node = source_.nodes[index];
    return node.name.empty() ? std::string(node.op_type) + "_" + std::to_string(index) : std::string(node.name);
  }

  Result<const Operator*> operator_of(const NodeMessage& node, const std::string& name) const {
    const std::string what = "node " + graph::quoted(name) + " (" + graph::quoted(node.op_type) + ", at byte " +
                             std::to_string(node.position) + ")";
    if (functions_.contains({plain_domain(node.domain), node.op_type})) {
      return Error{ErrorCode::unsupported, what + " calls a function defined in the file (domain " +
                                               graph::quoted(node.domain) + "); inline functions before export"};
    }
    if (!is_default_domain(node.domain)) {
      return Error{ErrorCode::unsupported,
                   what + " is an operator of domain " + graph::quoted(node.domain) + ", expected ai.onnx"};
    }
    const Operator* found = find_operator(node.op_type, opset_);
    if (found) return found;
    return Error{ErrorCode::unsupported, what + " is not supported in opset " + std::to_string(opset_) +
                                             "; supported: " + supported_operators()};
  }

  Status convert(std::size_t index) {
    const NodeMessage& node = source_.nodes[index];
    std::string name = name_of_node(index);
    RESIDUA_ASSIGN(const Operator* op, operator_of(node, name));
    const std::string what = describe_node(node, name);
    RESIDUA_RETURN_IF_ERROR(check_counts(node, *op, what));
    std::vector<TensorId> inputs;
    for (const std::string_view input : node.inputs) {
      TensorId id = no_tensor;
      if (!input.empty()) {
        RESIDUA_ASSIGN(id, resolve(input, what, index));
      }
      inputs.push_back(id);
    }
    Conversion conversion(graph_, loader_, node, std::move(name), std::move(inputs), opset_, fixed_batch_);
    RESIDUA_ASSIGN(const TensorId output, op->convert(conversion));
    RESIDUA_RETURN_IF_ERROR(conversion.check_all_attributes_used());
    RESIDUA_RETURN_IF_ERROR(bind(node.outputs[0], {output, nullptr, nullptr}, what));
    for (std::size_t i = 1; i < node.outputs.size(); ++i) {
      if (node.outputs[i].empty()) continue;
      const TensorId made = conversion.made_output(i);
      RESIDUA_RETURN_IF_ERROR(bind(node.outputs[i], {made, nullptr, made == no_tensor ? &node : nullptr}, what));
    }
    return {};
  }

  static Status check_counts(const NodeMessage& node, const Operator& op, const std::string& what) {
    const auto required = static_cast<std::size_t>(op.required_inputs);
    if (node.inputs.size() < required ||
        (op.max_inputs >= 0 && node.inputs.size() > static_cast<std::size_t>(op.max_inputs))) {
      const std::string most = op.max_inputs < 0 ? "more" : std::to_string(op.max_inputs);
      return Error{ErrorCode::malformed, what + " has " + std::to_string(node.inputs.size()) + " inputs, expected " +
                                             std::to_string(required) + " to " + most};
    }
    for (std::size_t i = 0; i < required; ++i) {
      if (node.inputs[i].empty()) {
        return Error{ErrorCode::malformed, what + ": input " + std::to_string(i) + " is left out"};
      }
    }
    if (node.outputs.empty() || node.outputs[0].empty()) return Error{ErrorCode::malformed, what + " has no output"};
    return {};
  }

  // The tensor that `name` stands for; `index` is the node that reads it (the node count for graph outputs).
  Result<TensorId> resolve(std::string_view name, const std::string& reader, std::size_t index) {
    const auto known = names_.find(name);
    if (known == names_.end()) return undefined(name, reader, index);
    Binding& binding = known->second;
    if (binding.node) {
      return Error{ErrorCode::unsupported, reader + " reads " + graph::quoted(name) + ", an additional output of a " +
                                               std::string(binding.node->op_type) +
                                               " node; only first outputs are computed"};
    }
    if (binding.id == no_tensor) {
      RESIDUA_ASSIGN(Tensor tensor, loader_.load(*binding.initializer));
      binding.id = graph_.add(std::move(tensor));
    }
    return binding.id;
  }

  Error undefined(std::string_view name, const std::string& reader, std::size_t index) const {
    for (std::size_t i = index; i < source_.nodes.size(); ++i) {
      const auto& outputs = source_.nodes[i].outputs;
      if (std::find(outputs.begin(), outputs.end(), name) == outputs.end()) continue;
      const std::string later =
          i == index ? "its own output" : "defined only later, by node " + graph::quoted(name_of_node(i));
      return {ErrorCode::malformed, reader + " reads " + graph::quoted(name) + ", which is " + later +
                                        "; nodes must be in topological order"};
    }
    return {ErrorCode::malformed,
            reader + " reads " + graph::quoted(name) + ", which no input, initializer or node defines"};
  }

  Status collect_outputs() {
    for (const ValueInfoMessage& output : source_.outputs) {
      RESIDUA_ASSIGN(const TensorId id, resolve(output.name, "the graph's output list", source_.nodes.size()));
      graph_.outputs.push_back(id);
    }
    if (graph_.outputs.empty()) return Error{ErrorCode::malformed, "the graph has no output"};
    return {};
  }

  // Constants that have become attributes, or have been rewritten, go.
  void drop_unused_tensors() {
    std::vector<TensorId> new_ids(graph_.tensors.size(), no_tensor);
    std::vector<Tensor> kept;
    const auto keep = [&](TensorId& id) {
      if (id == no_tensor) return;
      TensorId& new_id = new_ids[static_cast<std::size_t>(id)];
      if (new_id == no_tensor) {
        new_id = static_cast<TensorId>(kept.size());
        kept.push_back(std::move(graph_.tensor(id)));
      }
      id = new_id;
    };
    for (TensorId& id : graph_.inputs) keep(id);
    for (Node& node : graph_.nodes) {
      for (TensorId& id : node.inputs) keep(id);
      keep(node.output);
    }
    for (TensorId& id : graph_.outputs) keep(id);
    graph_.tensors = std::move(kept);
  }

  const ModelMessage& model_;
  const GraphMessage& source_;
  TensorLoader loader_;
  Graph graph_;
  std::unordered_map<std::string_view, Binding> names_;
  std::set<std::pair<std::string_view, std::string_view>> functions_;  // domain, name
  std::int64_t opset_ = 0;
  bool fixed_batch_ = false;
};

Result<ImportedModel> import_model(const FileBytes& bytes, const std::filesystem::path& folder) {
  RESIDUA_ASSIGN(const ModelMessage model, parse_model(bytes.span()));
  if (!model.graph) return Error{ErrorCode::malformed, "the file holds no graph (truncated or not an ONNX file)"};
  ImportedModel imported;
  Importer importer(bytes, folder, model, *model.graph);
  RESIDUA_ASSIGN(imported.graph, importer.run());
  imported.other_files = importer.other_files();
  imported.format = "onnx";
  for (const auto& [key, value] : model.metadata)
    imported.metadata.insert_or_assign(std::string(key), std::string(value));
  if (const auto arch = imported.metadata.find("arch"); arch != imported.metadata.end()) {
    imported.architecture = arch->second;
  }
  return imported;
}

}  // namespace
}  // namespace onnx

Result<ImportedModel> import_onnx(const FileBytes& bytes, const std::filesystem::path& folder) {
  try {
    return onnx::import_model(bytes, folder);
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::out_of_memory, "not enough memory to import the model"};
  }
}

}  // namespace residua::graph
