// Constants in the layouts that steps read them in: packed once, shared by every plan of a model.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "graph/import/import.h"

namespace residua::engine {

// A layout by name ("winograd 4x4, 2 x 16 channels", ...): the same name and constant always mean the same bytes.
struct PackedLayout {
  std::string name;
  std::size_t bytes = 0;
  std::int64_t parts = 1;  // that can be written independently of each other
};

// The constants themselves are not needed in memory once packed: those that are pieces of a mapped file leave it.
//
// Thread-safe. Plans hold what they use; what none holds any longer is forgotten, so that many shapes leave nothing
// behind. A plan for another shape finds the packed weights of the first one again as long as its steps ask for the
// same layout.
class PackedWeights {
 public:
  enum class Purpose { packing, only_sizes };
  // Only for sizes: bytes() tells what packing would need, and there is nothing behind what get() returns.
  explicit PackedWeights(Purpose purpose = Purpose::packing) : purpose_(purpose) {}

  // Writes the bytes of one part, all of them, from the constant's values in their logical order. `packed` is where the
  // whole begins. Parts are written by several threads at a time, before get() returns.
  using Pack = std::function<void(std::span<const float> values, std::int64_t part, std::byte* packed)>;

  // While it lives, so many threads more may pack; without any, one does. Whoever waits for another's packing lends its
  // own that way.
  class Threads {
   public:
    Threads(PackedWeights& weights, int threads) : weights_(weights), threads_(threads) {
      weights_.threads_ += threads_;
    }
    ~Threads() { weights_.threads_ -= threads_; }
    Threads(const Threads&) = delete;
    Threads& operator=(const Threads&) = delete;

   private:
    PackedWeights& weights_;
    const int threads_;
  };
  // `constant` in `layout`, 64-byte aligned. The result lives as long as somebody holds it.
  std::shared_ptr<const std::byte> get(const graph::Tensor& constant, const PackedLayout& layout, const Pack& pack);
  // Memory that packing needs on the way goes. It is kept from one get() to the next, and no longer than a plan takes
  // to make.
  void end_packing();
  // Checksums of constants that lie in a packed file: get() compares them before it packs, and throws Stopped where
  // one differs.
  void watch(const std::vector<graph::ConstantChecksum>& checksums);
  // Packed before, as this build packs: get() hands these out. They are kept. One whose checksum differs when it is
  // first asked for is dropped, and packed again.
  void offer(const std::vector<graph::PackedBlob>& blobs);
  // All there is: what was offered and what plans hold now.
  std::vector<graph::PackedBlob> all() const;
  // How often a constant was packed here.
  std::size_t packings() const;
  // Of what plans hold now.
  std::size_t bytes() const;

 private:
  struct Entry {
    graph::ConstantData source;  // held, so that its addresses stay a valid key
    PackedLayout layout;
    std::weak_ptr<const std::byte> data;
  };
  // Where a constant's bytes and its row factors lie.
  using Key = std::pair<const std::byte*, const std::vector<double>*>;
  static Key key_of(const graph::ConstantData& data) { return {data.bytes.get(), data.row_scale.get()}; }
  void fill(const graph::Tensor& constant, const PackedLayout& layout, const Pack& pack, std::byte* packed);

  const Purpose purpose_;
  mutable std::mutex mutex_;
  std::atomic<int> threads_{0};
  std::unique_ptr<float[]> values_;  // of a constant that cannot be read in place
  std::size_t capacity_ = 0;
  std::size_t packings_ = 0;
  std::map<Key, std::vector<graph::PackedBlob>> offered_;
  std::map<Key, std::vector<Entry>> entries_;
  std::map<const std::byte*, std::uint64_t> checksums_;
};

}  // namespace residua::engine
