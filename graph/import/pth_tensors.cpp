#include "graph/import/pth_tensors.h"

#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "graph/import/name.h"
#include "graph/import/widen.h"
#include "graph/input_limits.h"

namespace residua::graph {
namespace {

constexpr std::uint64_t free_copies = 1 << 20;  // bytes that conversion_ratio does not count, for expanded scalars

struct Loaded {
  ConstantData data;
  ElementType type;
  std::int64_t elements;
};

// One past the last element that the view touches, counted from the storage's start; nothing where that leaves int64.
std::optional<std::int64_t> end_of(const TensorReference& tensor) {
  std::int64_t last = 0;
  if (__builtin_add_overflow(tensor.storage.view_offset, tensor.offset, &last)) return {};
  for (std::size_t i = 0; i < tensor.sizes.size(); ++i) {
    if (tensor.sizes[i] == 0) return tensor.storage.view_offset;
    std::int64_t reach = 0;
    if (__builtin_mul_overflow(tensor.sizes[i] - 1, tensor.strides[i], &reach)) return {};
    if (__builtin_add_overflow(last, reach, &last)) return {};
  }
  return last == INT64_MAX ? std::nullopt : std::optional(last + 1);
}

bool is_contiguous(const TensorReference& tensor) {
  std::int64_t expected = 1;  // cannot overflow: the product of the sizes is known to fit
  for (std::size_t i = tensor.sizes.size(); i-- > 0;) {
    if (tensor.sizes[i] != 1 && tensor.strides[i] != expected) return false;
    expected *= tensor.sizes[i];
  }
  return true;
}

// Gathers the view's elements in row-major order. Every index was checked; `count` > 0.
ConstantData gather(const TensorReference& tensor, const std::byte* first, std::int64_t count,
                    std::size_t element_size) {
  const std::size_t size = static_cast<std::size_t>(count) * element_size;
  const std::shared_ptr<std::byte[]> dense(new std::byte[size]);
  std::vector<std::int64_t> index(tensor.sizes.size(), 0);
  std::int64_t position = 0;
  for (std::size_t written = 0; written < size; written += element_size) {
    std::memcpy(dense.get() + written, first + static_cast<std::size_t>(position) * element_size, element_size);
    for (std::size_t i = index.size(); i-- > 0;) {
      if (++index[i] < tensor.sizes[i]) {
        position += tensor.strides[i];
        break;
      }
      position -= (tensor.sizes[i] - 1) * tensor.strides[i];
      index[i] = 0;
    }
  }
  return {std::shared_ptr<const std::byte>(dense, dense.get()), size};
}

class Maker {
 public:
  explicit Maker(const StorageLoader& load) : load_(load) {}

  Result<Tensor> make(const TensorReference& tensor) {
    RESIDUA_ASSIGN(const Loaded* storage, find(tensor.storage));
    RESIDUA_ASSIGN(const std::int64_t count, element_count(tensor.sizes));
    const auto end = end_of(tensor);
    if (!end || *end > tensor.storage.view_offset + tensor.storage.view_elements) {
      return Error{ErrorCode::malformed, "a view of shape " + to_string(tensor.sizes) + ", strides " +
                                             to_string(tensor.strides) + ", offset " + std::to_string(tensor.offset) +
                                             " leaves its storage of " + std::to_string(tensor.storage.view_elements) +
                                             " elements"};
    }
    const std::size_t element_size = size_of(storage->type);
    const bool contiguous = count == 0 || is_contiguous(tensor);
    const bool widens = is_floating_point(storage->type) && storage->type != ElementType::float32;
    if (!contiguous) RESIDUA_RETURN_IF_ERROR(charge(count, element_size));
    if (widens) RESIDUA_RETURN_IF_ERROR(charge(count, sizeof(float)));

    const std::int64_t start = count == 0 ? 0 : tensor.storage.view_offset + tensor.offset;
    const std::byte* first = storage->data.bytes.get() + static_cast<std::size_t>(start) * element_size;
    ConstantData data = contiguous ? ConstantData{std::shared_ptr<const std::byte>(storage->data.bytes, first),
                                                  static_cast<std::size_t>(count) * element_size, storage->data.file}
                                   : gather(tensor, first, count, element_size);
    return widened(Tensor{tensor.name, storage->type, tensor.sizes, std::move(data)});
  }

 private:
  Result<const Loaded*> find(const StorageReference& reference) {
    const auto found = storages_.find(reference.key);
    if (found != storages_.end()) {
      const Loaded& loaded = found->second;
      if (loaded.type == reference.type && loaded.elements == reference.elements) return &loaded;
      return Error{ErrorCode::malformed, "storage " + in_quotes(reference.key) + " is described differently elsewhere"};
    }
    RESIDUA_ASSIGN(ConstantData data, load_(reference));
    const auto expected = static_cast<std::size_t>(reference.elements) * size_of(reference.type);
    if (data.size != expected) {
      return Error{ErrorCode::malformed, "storage " + in_quotes(reference.key) + " has " + std::to_string(data.size) +
                                             " bytes, expected " + std::to_string(reference.elements) + " x " +
                                             std::string(name_of(reference.type)) + " = " + std::to_string(expected)};
    }
    stored_ += data.size;
    const auto place = storages_.emplace(reference.key, Loaded{std::move(data), reference.type, reference.elements});
    return &place.first->second;
  }

  // Copies (of strided views, of widened types): shared weights fit many times over, a storage expanded without bound
  // does not.
  Status charge(std::int64_t count, std::size_t element_size) {
    std::uint64_t size = 0;
    if (__builtin_mul_overflow(static_cast<std::uint64_t>(count), element_size, &size)) size = UINT64_MAX;
    copied_ = saturating_sum(copied_, size);
    return check_ratio(Limit::conversion_ratio, copied_, free_copies, stored_,
                       "the tensors together: bytes for each byte of the storages they are views of");
  }

  const StorageLoader& load_;
  std::map<std::string, Loaded> storages_;
  std::uint64_t stored_ = 0, copied_ = 0;  // bytes
};

}  // namespace

Result<WeightFile> make_tensors(const std::vector<TensorReference>& tensors, const StorageLoader& load) {
  WeightFile file;
  Maker maker(load);
  for (const TensorReference& reference : tensors) {
    auto tensor = maker.make(reference);
    if (!tensor) {
      return Error{tensor.error().code, "tensor " + in_quotes(reference.name) + ": " + tensor.error().message};
    }
    if (!file.tensors.emplace(reference.name, std::move(*tensor)).second) {
      return Error{ErrorCode::malformed, "tensor " + in_quotes(reference.name) + " stands there twice"};
    }
  }
  return file;
}

}  // namespace residua::graph
