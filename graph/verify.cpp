#include "graph/verify.h"

#include "graph/infer.h"
#include "graph/operators.h"
#include "graph/text.h"

namespace residua::graph {
namespace {

// Walks the graph as a run would, and knows which tensors have a value by then.
class Verifier {
 public:
  explicit Verifier(const Graph& graph) : graph_(graph), defined_(graph.tensors.size(), false) {}

  Status run() {
    RESIDUA_RETURN_IF_ERROR(check_tensors());
    RESIDUA_RETURN_IF_ERROR(check_inputs());
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) RESIDUA_RETURN_IF_ERROR(check_node(i));
    return check_outputs();
  }

 private:
  bool exists(TensorId id) const { return id >= 0 && static_cast<std::size_t>(id) < graph_.tensors.size(); }
  bool is_defined(TensorId id) const { return defined_[static_cast<std::size_t>(id)]; }
  void define(TensorId id) { defined_[static_cast<std::size_t>(id)] = true; }

  std::string describe(TensorId id) const {
    const std::string number = "tensor " + std::to_string(id);
    return exists(id) ? number + " " + quoted(graph_.tensor(id).name) : number;
  }
  Error error(const std::string& where, const std::string& what) const {
    return {ErrorCode::malformed, "graph " + quoted(graph_.name) + ": " + where + " " + what};
  }
  Status require_exists(TensorId id, const std::string& where) const {
    if (exists(id)) return {};
    return error(where, "is tensor " + std::to_string(id) + "; there are " + std::to_string(graph_.tensors.size()));
  }

  Status check_tensors() {
    for (std::size_t i = 0; i < graph_.tensors.size(); ++i) {
      const auto id = static_cast<TensorId>(i);
      const Tensor& tensor = graph_.tensors[i];
      for (const Dimension dimension : tensor.shape) {
        if (!is_static(dimension) && dimension != batch_dimension && dimension != unknown_dimension) {
          return error(describe(id), "has a dimension of " + std::to_string(dimension));
        }
      }
      if (!tensor.is_constant()) continue;
      if (const Status status = check_constant(tensor); !status) return error(describe(id), status.error().message);
      define(id);
    }
    return {};
  }

  Status check_inputs() {
    for (std::size_t i = 0; i < graph_.inputs.size(); ++i) {
      const TensorId id = graph_.inputs[i];
      const std::string where = "input " + std::to_string(i);
      RESIDUA_RETURN_IF_ERROR(require_exists(id, where));
      if (graph_.tensor(id).is_constant()) return error(where, "is a constant, " + describe(id));
      if (is_defined(id)) return error(where, "repeats an earlier one, " + describe(id));
      define(id);
    }
    return {};
  }

  Status check_node(std::size_t index) {
    const Node& node = graph_.nodes[index];
    const std::string where =
        "node " + std::to_string(index) + " " + quoted(node.name) + " (" + std::string(info_of(node.op).name) + ")";
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const TensorId id = node.inputs[i];
      if (id == no_tensor) continue;
      RESIDUA_RETURN_IF_ERROR(require_exists(id, where + " input " + std::to_string(i)));
      if (!is_defined(id)) {
        return error(where, "reads " + describe(id) + ", which no input, constant or earlier node provides");
      }
    }
    RESIDUA_RETURN_IF_ERROR(require_exists(node.output, where + " output"));
    if (is_defined(node.output)) return error(where, "writes " + describe(node.output) + ", which has a value already");
    define(node.output);

    const Result<TensorType> inferred = infer(graph_, node);
    if (!inferred)
      return Error{inferred.error().code, "graph " + quoted(graph_.name) + ": " + inferred.error().message};
    const Tensor& output = graph_.tensor(node.output);
    if (inferred->type != output.type || inferred->shape != output.shape) {
      return error(where, "makes " + std::string(name_of(inferred->type)) + " " + to_string(inferred->shape) +
                              ", but " + describe(node.output) + " is " + std::string(name_of(output.type)) + " " +
                              to_string(output.shape));
    }
    return {};
  }

  Status check_outputs() const {
    if (graph_.outputs.empty()) return error("the graph", "has no output");
    for (std::size_t i = 0; i < graph_.outputs.size(); ++i) {
      const TensorId id = graph_.outputs[i];
      const std::string where = "output " + std::to_string(i);
      RESIDUA_RETURN_IF_ERROR(require_exists(id, where));
      if (!is_defined(id)) return error(where, "is " + describe(id) + ", which nothing provides");
    }
    return {};
  }

  const Graph& graph_;
  std::vector<bool> defined_;
};

}  // namespace

Status verify(const Graph& graph) { return Verifier(graph).run(); }

}  // namespace residua::graph
