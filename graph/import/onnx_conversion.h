// One ONNX node on its way into a graph: what a converter of onnx_operators.cpp works with.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"
#include "graph/import/onnx_schema.h"
#include "graph/import/onnx_tensors.h"

namespace residua::graph::onnx {

class Conversion {
 public:
  // `inputs` are the node's inputs, in order, no_tensor for one that is left out. `fixed_batch`: the file declares a
  // batch of exactly one. The references outlive the conversion.
  Conversion(Graph& graph, TensorLoader& loader, const NodeMessage& node, std::string name,
             std::vector<TensorId> inputs, std::int64_t opset, bool fixed_batch);

  std::int64_t opset() const { return opset_; }
  bool fixed_batch() const { return fixed_batch_; }
  Error error(ErrorCode code, const std::string& reason) const;

  // Attributes. An absent one is its fallback (or empty); one of another type than asked for is an error.
  bool has_attribute(std::string_view name) const;
  Result<std::int64_t> integer(std::string_view name, std::int64_t fallback);
  Result<bool> flag(std::string_view name, bool fallback);
  Result<double> number(std::string_view name, double fallback);
  Result<std::string_view> text(std::string_view name, std::string_view fallback);
  Result<std::vector<std::int64_t>> integers(std::string_view name);
  Result<std::vector<float>> numbers(std::string_view name);
  Result<std::optional<Tensor>> tensor_attribute(std::string_view name);
  // Marks attributes that have no bearing on inference.
  void ignore(std::initializer_list<std::string_view> names);
  // An error where the node has an attribute that no call above has asked for: it would change what the node means.
  Status check_all_attributes_used() const;

  // Inputs
  std::size_t input_count() const { return inputs_.size(); }
  const std::vector<TensorId>& inputs() const { return inputs_; }
  TensorId input(std::size_t index) const { return index < inputs_.size() ? inputs_[index] : no_tensor; }
  bool has_input(std::size_t index) const { return input(index) != no_tensor; }
  const Tensor& tensor(TensorId id) const { return graph_.tensor(id); }
  const Shape& shape(std::size_t index) const { return tensor(input(index)).shape; }
  // The node that makes an input, nullptr where none does.
  const Node* producer(std::size_t index) const;
  // "weight 'w'": an input for a message, by its role and its name in the file.
  std::string describe(std::string_view role, std::size_t index) const;
  bool is_constant(std::size_t index) const { return has_input(index) && tensor(input(index)).is_constant(); }
  // A small integer constant (shape, axes, counts): nullopt where the input is left out or computed.
  Result<std::optional<std::vector<std::int64_t>>> constant_integers(std::string_view role, std::size_t index) const;
  // A constant of one element; nullopt where it is left out, an error where it is computed.
  Result<std::optional<double>> constant_number(std::string_view role, std::size_t index) const;

  // Appends a node and returns its output. `suffix` tells apart the nodes that one ONNX node becomes; the last one
  // has none.
  Result<TensorId> emit(Op op, std::vector<TensorId> inputs, Attributes attributes = NoAttributes{},
                        std::string_view suffix = {});
  // The node of the output at `index`, for those that make several. The importer binds its name.
  Result<TensorId> emit_output(std::size_t index, Op op, std::vector<TensorId> inputs, Attributes attributes);
  // What emit_output made for `index`, or no_tensor.
  TensorId made_output(std::size_t index) const { return index < made_.size() ? made_[index] : no_tensor; }
  TensorId add_constant(Tensor constant) { return graph_.add(std::move(constant)); }
  TensorLoader& loader() { return loader_; }

  std::size_t output_count() const { return node_.outputs.size(); }
  bool has_output(std::size_t index) const { return index < node_.outputs.size() && !node_.outputs[index].empty(); }
  std::string output_name(std::size_t index = 0) const { return std::string(node_.outputs[index]); }

 private:
  // The attribute of that name, marked as used; nullptr where there is none.
  Result<const AttributeMessage*> find(std::string_view name, AttributeType type);

  Result<TensorId> append(Op op, std::string name, std::vector<TensorId> inputs, std::string output,
                          Attributes attributes);

  Graph& graph_;
  TensorLoader& loader_;
  const NodeMessage& node_;
  std::string name_;
  std::vector<TensorId> inputs_;
  std::int64_t opset_;
  bool fixed_batch_;
  std::vector<bool> used_attributes_;
  std::vector<TensorId> made_;  // by emit_output
};

// "node 'conv1' (Conv)"
std::string describe_node(const NodeMessage& node, const std::string& name);

}  // namespace residua::graph::onnx
