// Ops that keep the elements in place and change the shape: flatten, reshape, squeeze, unsqueeze; and
// constant_of_shape.
#include <algorithm>

#include "graph/infer_rules.h"

namespace residua::graph {
namespace {

constexpr std::int64_t inferred_size = -1;

// An element count with its symbols apart: known x N^batches x ?^unknowns.
struct Product {
  std::int64_t known = 1;
  int batches = 0;
  int unknowns = 0;
};

Result<Product> product_of(const NodeView& view, std::span<const Dimension> dimensions) {
  Product product;
  for (const Dimension dimension : dimensions) {
    if (dimension == batch_dimension) {
      ++product.batches;
    } else if (!is_static(dimension)) {
      ++product.unknowns;
    } else if (__builtin_mul_overflow(product.known, dimension, &product.known)) {
      return view.error(ErrorCode::limit, "has more elements than 64 bits can count");
    }
  }
  return product;
}

Dimension dimension_of(const Product& product) {
  if (product.batches == 0 && product.unknowns == 0) return product.known;
  const bool batch_alone = product.known == 1 && product.batches == 1 && product.unknowns == 0;
  return batch_alone ? batch_dimension : unknown_dimension;
}

Error does_not_fit(const NodeView& view, const Shape& target) {
  return view.mismatch("reshapes " + to_string(view.shape(0)) + " to " + to_string(target) +
                       ", which holds another number of elements");
}

// Copies the dimensions that the target takes from x and refuses sizes that mean nothing.
Status copy_dimensions(const NodeView& view, Shape& target) {
  const Shape& x = view.shape(0);
  for (std::size_t i = 0; i < target.size(); ++i) {
    if (target[i] == 0) {
      if (i >= x.size()) {
        return view.mismatch("copies dimension " + std::to_string(i) + " of an input of shape " + to_string(x));
      }
      target[i] = x[i];
    } else if (!is_static(target[i]) && target[i] != inferred_size && target[i] != batch_dimension &&
               target[i] != unknown_dimension) {
      return view.malformed("reshapes to a size of " + std::to_string(target[i]));
    }
  }
  if (std::count(target.begin(), target.end(), inferred_size) > 1) {
    return view.malformed("has more than one size to infer");
  }
  return {};
}

// x is static, so the target's symbols have their values: one that stands alone is what remains; beside another one N
// is the first dimension of x.
Result<Shape> resolve_static(const NodeView& view, Shape target) {
  const Shape& x = view.shape(0);
  const auto open = [&target] { return std::count_if(target.begin(), target.end(), [](auto d) { return d < 0; }); };
  if (open() > 1 && !x.empty()) std::replace(target.begin(), target.end(), batch_dimension, x[0]);
  if (open() > 1) return view.mismatch("leaves more than one size of " + to_string(target) + " open");
  RESIDUA_ASSIGN(const std::int64_t total, element_count(x));
  const auto place = std::find_if(target.begin(), target.end(), [](auto dimension) { return dimension < 0; });
  if (place != target.end()) *place = 1;
  RESIDUA_ASSIGN(const std::int64_t rest, element_count(target));
  if (place == target.end()) {
    if (total != rest) return does_not_fit(view, target);
  } else {
    if (rest == 0 || total % rest != 0) {
      *place = inferred_size;
      return does_not_fit(view, target);
    }
    *place = total / rest;
  }
  return target;
}

// What -1 stands for when x has symbols: the factors of x that the other sizes leave over.
Result<Shape> resolve_symbolic(const NodeView& view, Shape target) {
  RESIDUA_ASSIGN(const Product total, product_of(view, view.shape(0)));
  const auto place = std::find(target.begin(), target.end(), inferred_size);
  const bool infers = place != target.end();
  if (infers) *place = 1;
  RESIDUA_ASSIGN(Product rest, product_of(view, target));
  if (infers) *place = unknown_dimension;
  const bool known = total.unknowns == 0 && rest.unknowns == 0 && total.batches >= rest.batches;
  if (!infers) {
    if (known && total.batches == rest.batches && total.known != rest.known) return does_not_fit(view, target);
  } else if (known && total.batches == rest.batches) {
    if (rest.known == 0 || total.known % rest.known != 0) return does_not_fit(view, target);
    *place = total.known / rest.known;
  } else if (known && rest.known != 0 && total.known % rest.known == 0) {
    *place = dimension_of({total.known / rest.known, total.batches - rest.batches, 0});
  }
  return target;
}

}  // namespace

Result<TensorType> infer_flatten(const NodeView& view) {
  const Shape& x = view.shape(0);
  const auto rank = static_cast<std::int64_t>(x.size());
  std::int64_t axis = view.attributes<AxisAttributes>().axis;
  if (axis < -rank || axis > rank) {
    return view.mismatch("has axis " + std::to_string(axis) + " of " + std::to_string(rank) + " dimensions");
  }
  if (axis < 0) axis += rank;
  const std::span<const Dimension> dimensions(x);
  RESIDUA_ASSIGN(const Product outer, product_of(view, dimensions.first(static_cast<std::size_t>(axis))));
  RESIDUA_ASSIGN(const Product inner, product_of(view, dimensions.subspan(static_cast<std::size_t>(axis))));
  return TensorType{view.type(0), {dimension_of(outer), dimension_of(inner)}};
}

Result<TensorType> infer_reshape(const NodeView& view) {
  RESIDUA_ASSIGN(auto target, operand_or_attribute(view, 1, view.attributes<ReshapeAttributes>().shape));
  if (!target) {
    RESIDUA_ASSIGN(const std::size_t rank, operand_length(view, 1));
    return TensorType{view.type(0), Shape(rank, unknown_dimension)};
  }
  RESIDUA_RETURN_IF_ERROR(copy_dimensions(view, *target));
  RESIDUA_ASSIGN(Shape output, is_static(view.shape(0)) ? resolve_static(view, std::move(*target))
                                                        : resolve_symbolic(view, std::move(*target)));
  return TensorType{view.type(0), std::move(output)};
}

Result<TensorType> infer_squeeze(const NodeView& view) {
  const Shape& x = view.shape(0);
  RESIDUA_ASSIGN(const auto axes, operand_or_attribute(view, 1, view.attributes<AxesAttributes>().axes));
  if (!axes) {
    RESIDUA_ASSIGN(const std::size_t removed, operand_length(view, 1));
    if (removed > x.size()) return view.mismatch("removes more dimensions than " + to_string(x) + " has");
    return TensorType{view.type(0), Shape(x.size() - removed, unknown_dimension)};
  }
  RESIDUA_ASSIGN(const auto removed, axis_flags(view, *axes, x.size()));
  Shape output;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (removed[i] && is_static(x[i]) && x[i] != 1) {
      return view.mismatch("removes dimension " + std::to_string(i) + " of " + to_string(x) + "; expected a 1 there");
    }
    // Without axes every 1 goes; a symbol is taken for more than one.
    const bool goes = axes->empty() ? x[i] == 1 : removed[i];
    if (!goes) output.push_back(x[i]);
  }
  return TensorType{view.type(0), std::move(output)};
}

Result<TensorType> infer_unsqueeze(const NodeView& view) {
  const Shape& x = view.shape(0);
  RESIDUA_ASSIGN(const auto axes, operand_or_attribute(view, 1, view.attributes<AxesAttributes>().axes));
  if (!axes) {
    RESIDUA_ASSIGN(const std::size_t inserted, operand_length(view, 1));
    return TensorType{view.type(0), Shape(x.size() + inserted, unknown_dimension)};
  }
  RESIDUA_ASSIGN(const auto inserted, axis_flags(view, *axes, x.size() + axes->size()));
  Shape output;
  auto next = x.begin();
  for (const bool is_new : inserted) output.push_back(is_new ? 1 : *next++);
  return TensorType{view.type(0), std::move(output)};
}

Result<TensorType> infer_constant_of_shape(const NodeView& view) {
  RESIDUA_ASSIGN(const auto shape, operand_or_attribute(view, 0, {}));
  const ElementType type = view.attributes<ConstantOfShapeAttributes>().type;
  if (!shape) {
    RESIDUA_ASSIGN(const std::size_t rank, operand_length(view, 0));
    return TensorType{type, Shape(rank, unknown_dimension)};
  }
  for (const std::int64_t dimension : *shape) {
    if (!is_static(dimension) && dimension != batch_dimension && dimension != unknown_dimension) {
      return view.mismatch("makes a constant with a dimension of " + std::to_string(dimension));
    }
  }
  return TensorType{type, *shape};
}

}  // namespace residua::graph
