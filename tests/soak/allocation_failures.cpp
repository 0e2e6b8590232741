// Fails the N-th allocation of loading and running, for every N: always a status, never a crash or a leak, and the next
// run works; and no part of a run asks for memory. Replaces operator new, malloc and its kin, and mmap for the whole
// process.
//
// What oneDNN asks for itself does not fail here: where it gets no memory, oneDNN 3.2 uses the null pointer (in
// dnnl_stream_create, for one), which nobody outside of it can help. And gcc 12's std::filesystem::path and libzip 1.7
// lose a block at one place each (the path's list of components, the window on an entry): those are counted apart.
//
//   allocation_failures [PART]   some sixty Ns of each case; with RESIDUA_SOAK set, every one. PART: only the cases
//                                with it in their name
#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <new>
#include <string>
#include <vector>

#include "residua/residua.h"
#include "tests/api/golden.h"

extern "C" {
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* block, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);
void __libc_free(void* block);
}

namespace {

constexpr long never = -1;
std::atomic<bool> armed{false};
std::atomic<long> asked{0};        // allocations since it was armed
std::atomic<long> fail_at{never};  // the number of the one that fails
std::atomic<bool> fail_ever_after{false};
std::atomic<long> live{0};  // blocks and mappings

// Where a library's code lies.
struct Library {
  const char* name;
  std::uintptr_t begin = 0, end = 0;
  bool holds(std::uintptr_t address) const { return address >= begin && address < end; }
};
Library onednn{"libdnnl"}, runtime{"libstdc++"}, zip{"libzip"};
std::atomic<std::uintptr_t> failed_for{0};  // where the failed allocation would have returned to

int find_code(dl_phdr_info* info, std::size_t, void*) {
  for (Library* library : {&onednn, &runtime, &zip}) {
    if (std::strstr(info->dlpi_name, library->name) == nullptr) continue;
    for (int i = 0; i < info->dlpi_phnum; ++i) {
      const auto& segment = info->dlpi_phdr[i];
      if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
      library->begin = info->dlpi_addr + segment.p_vaddr;
      library->end = library->begin + segment.p_memsz;
    }
  }
  return 0;
}

// `caller`: where the allocation returns to.
bool may_allocate(const void* caller) {
  if (!armed.load(std::memory_order_relaxed)) return true;
  const auto address = reinterpret_cast<std::uintptr_t>(caller);
  if (onednn.holds(address)) return true;
  const long number = asked.fetch_add(1, std::memory_order_relaxed);
  const long failing = fail_at.load(std::memory_order_relaxed);
  if (failing == never || number < failing) return true;
  if (number == failing) failed_for = address;
  return number > failing && !fail_ever_after.load(std::memory_order_relaxed);
}

void* counted(void* block) {
  if (block != nullptr) live.fetch_add(1, std::memory_order_relaxed);
  return block;
}

void* refuse() {
  errno = ENOMEM;
  return nullptr;
}

}  // namespace

extern "C" {
void* malloc(std::size_t bytes) {
  return may_allocate(__builtin_return_address(0)) ? counted(__libc_malloc(bytes)) : refuse();
}
void* calloc(std::size_t count, std::size_t bytes) {
  return may_allocate(__builtin_return_address(0)) ? counted(__libc_calloc(count, bytes)) : refuse();
}
void* realloc(void* block, std::size_t bytes) {
  if (!may_allocate(__builtin_return_address(0))) return refuse();
  void* const moved = __libc_realloc(block, bytes);
  if (block == nullptr) return counted(moved);
  if (bytes == 0 && moved == nullptr) live.fetch_sub(1, std::memory_order_relaxed);
  return moved;
}
void* memalign(std::size_t alignment, std::size_t bytes) {
  return may_allocate(__builtin_return_address(0)) ? counted(__libc_memalign(alignment, bytes)) : refuse();
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  return may_allocate(__builtin_return_address(0)) ? counted(__libc_memalign(alignment, bytes)) : refuse();
}
int posix_memalign(void** block, std::size_t alignment, std::size_t bytes) {
  void* const found = may_allocate(__builtin_return_address(0)) ? counted(__libc_memalign(alignment, bytes)) : refuse();
  if (found == nullptr) return ENOMEM;
  *block = found;
  return 0;
}
void free(void* block) {
  if (block != nullptr) live.fetch_sub(1, std::memory_order_relaxed);
  __libc_free(block);
}
void* mmap(void* address, std::size_t bytes, int protection, int flags, int file, off_t offset) {
  if (!may_allocate(__builtin_return_address(0))) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  const long mapped = syscall(SYS_mmap, address, bytes, protection, flags, file, offset);
  if (mapped == -1) return MAP_FAILED;
  live.fetch_add(1, std::memory_order_relaxed);
  return reinterpret_cast<void*>(mapped);
}
// With 64-bit offsets, as meson sets them, the function above has the name mmap64.
void* plain_mmap(void* address, std::size_t bytes, int protection, int flags, int file, off_t offset) __asm__("mmap");
void* plain_mmap(void* address, std::size_t bytes, int protection, int flags, int file, off_t offset) {
  return mmap(address, bytes, protection, flags, file, offset);
}
int munmap(void* address, std::size_t bytes) {
  live.fetch_sub(1, std::memory_order_relaxed);
  return static_cast<int>(syscall(SYS_munmap, address, bytes));
}
}

// Ours, so that the caller is known. (The runtime's would call malloc.)
void* operator new(std::size_t bytes) {
  void* const block = may_allocate(__builtin_return_address(0)) ? counted(__libc_malloc(bytes)) : nullptr;
  if (block == nullptr) throw std::bad_alloc();
  return block;
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  void* const block = may_allocate(__builtin_return_address(0))
                          ? counted(__libc_memalign(static_cast<std::size_t>(alignment), bytes))
                          : nullptr;
  if (block == nullptr) throw std::bad_alloc();
  return block;
}
void operator delete(void* block) noexcept { free(block); }
void operator delete(void* block, std::size_t) noexcept { free(block); }
void operator delete(void* block, std::align_val_t) noexcept { free(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { free(block); }

namespace {

// While it lives, allocations are counted and may fail.
struct Armed {
  Armed() {
    asked = 0;
    armed = true;
  }
  ~Armed() { armed = false; }
};

[[noreturn]] void fail(const std::string& what) {
  armed = false;
  std::fprintf(stderr, "allocation_failures: %s\n", what.c_str());
  std::exit(1);
}

struct Model {
  residua_model* handle = nullptr;
  ~Model() { residua_model_release(handle); }
};
struct Context {
  residua_context* handle = nullptr;
  ~Context() { residua_context_release(handle); }
};

const golden& images() {
  static golden values;
  static const bool read = (golden_read(&values), true);
  static_cast<void>(read);
  return values;
}

residua_status load(const char* path, Model& model, residua_error& error) {
  return residua_model_load(path, nullptr, &model.handle, &error);
}

residua_status create(Model& model, residua_schedule schedule, Context& context, residua_error& error) {
  residua_context_options options{};
  options.struct_size = sizeof(options);
  options.schedule = schedule;
  return residua_context_create(model.handle, &options, &context.handle, &error);
}

// `side`: the images' pixels, taken as images of that size.
residua_input input_of(int batch, int side) {
  residua_input input{};
  input.struct_size = sizeof(input);
  input.format = RESIDUA_FLOAT32_NCHW;
  input.data = images().nchw;
  input.batch = batch;
  input.height = input.width = side;
  return input;
}

residua_status run(Context& context, int batch, int side, std::vector<float>& logits, residua_error& error) {
  const residua_input input = input_of(batch, side);
  return residua_context_run(context.handle, &input, logits.data(), logits.size(), &error);
}

// The best class of each of the 8 images, on a context that is lent, with a profile.
residua_status run_lent(Model& model, std::vector<std::int32_t>& best, residua_error& error) {
  float probabilities[8];
  const residua_input input = input_of(8, 32);
  residua_output output{};
  output.struct_size = sizeof(output);
  output.name = "probabilities";
  output.values = &probabilities[0];
  output.capacity = 8;
  output.top_k = 1;
  output.indices = best.data();
  residua_run_options options{};
  options.struct_size = sizeof(options);
  options.profile = [](void*, const residua_run_profile*) {};
  return residua_run(model.handle, &input, &output, 1, &options, &error);
}

void must(residua_status status, const residua_error& error, const char* what, residua_status usual = RESIDUA_OK) {
  if (status != usual)
    fail(std::string(what) + " without any failure: status " + std::to_string(status) + ", " + error.message);
}

const char* only = "";

// Runs `attempt`, which has a part where it is Armed, with one allocation failing, for each in turn, and then, where
// `and_later`, with all from that one on: a status, and as many blocks afterwards as before. `usual`: how it ends where
// nothing fails.
void every_failure(const char* name, bool and_later, const std::function<residua_status(residua_error&)>& attempt,
                   residua_status usual = RESIDUA_OK) {
  if (std::strstr(name, only) == nullptr) return;
  residua_error error{};
  fail_at = never;
  for (int warm = 0; warm < 3; ++warm) must(attempt(error), error, name, usual);
  const long all = asked;
  const long step = std::getenv("RESIDUA_SOAK") != nullptr ? 1 : std::max(1L, all / 60);
  long refused = 0, done = 0, tried = 0, left_by_others = 0;
  for (const bool ever_after : and_later ? std::vector{false, true} : std::vector{false})
    for (long number = ever_after ? step / 2 : 0; number < all; number += step) {
      const std::string where = std::string(name) + ", allocation " + std::to_string(number) + " of " +
                                std::to_string(all) + (ever_after ? " and all later ones: " : ": ");
      const long before = live;
      fail_ever_after = ever_after;
      fail_at = number;
      const residua_status status = attempt(error);
      fail_at = never;
      ++tried;
      if (status == usual)
        ++done;
      else if (status == RESIDUA_OUT_OF_MEMORY || status == RESIDUA_IO)
        ++refused;
      else
        fail(where + "status " + std::to_string(status) + ", " + error.message);
      if (live == before) continue;
      // What is made once for good, where this failure was the first to lead, is not made again.
      const long between = live;
      fail_at = number;
      static_cast<void>(attempt(error));
      fail_at = never;
      if (live == between + 1 && (runtime.holds(failed_for) || zip.holds(failed_for)))
        ++left_by_others;
      else if (live > between)
        fail(where + std::to_string(live - between) + " blocks are left");
    }
  std::printf(
      "%s: %ld allocations, %ld failures tried: %ld refused, %ld done without; %ld left a block in libstdc++ or "
      "libzip\n",
      name, all, tried, refused, done, left_by_others);
  if (refused == 0) fail(std::string(name) + ": no failure was noticed");
}

}  // namespace

int main(int count, char** arguments) {
  if (count > 1) only = arguments[1];
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // what was done is told whatever comes
  dl_iterate_phdr(find_code, nullptr);
  if (onednn.end == 0 || runtime.end == 0) fail("oneDNN or the C++ runtime is not in this process");
  const std::string path = golden_path("models/resnet20-cifar10.safetensors");
  const std::vector<std::string> files{path, golden_path("tests/golden/onnx/torchscript_opset18.onnx"),
                                       golden_path("tests/golden/weights/option_a.pth")};
  Model model;
  Context context;
  residua_error error{};
  std::vector<float> expected(80), logits(80);
  must(load(path.c_str(), model, error), error, "loading");
  must(create(model, RESIDUA_AUTO, context, error), error, "a context");
  must(run(context, 8, 32, expected, error), error, "a run");
  const auto must_run = [&](Context& used, const char* what) {
    must(run(used, 8, 32, logits, error), error, what);
    if (logits != expected) fail(std::string(what) + " gives other outputs");
  };

  for (const std::string& file : files)
    // nlohmann's JSON parser ends the process where it finds no memory to destroy what it has read so far: so files
    // with metadata in JSON see single failures only.
    every_failure(("loading " + file.substr(file.rfind('/') + 1)).c_str(), file != path, [&](residua_error& why) {
      Model loaded;
      const Armed now;
      return load(file.c_str(), loaded, why);
    });

  // Files that are refused, half-read.
  for (const std::string& file : files) {
    std::ifstream stream(file, std::ios::binary);
    const std::string whole{std::istreambuf_iterator<char>(stream), {}};
    every_failure(("refusing half of " + file.substr(file.rfind('/') + 1)).c_str(), false,
                  [&](residua_error& why) {
                    Model loaded;
                    const Armed now;
                    return residua_model_load_memory(whole.data(), whole.size() / 2, nullptr, nullptr, nullptr,
                                                     &loaded.handle, &why);
                  },
                  RESIDUA_MALFORMED);
  }

  for (const residua_schedule schedule : {RESIDUA_LATENCY, RESIDUA_THROUGHPUT})
    every_failure(schedule == RESIDUA_LATENCY ? "first run, latency" : "first run, throughput", true,
                  [&](residua_error& why) {
                    Model loaded;
                    Context own;
                    must(load(path.c_str(), loaded, why), why, "loading");
                    residua_status status = RESIDUA_OK;
                    {
                      const Armed now;
                      status = create(loaded, schedule, own, why);
                      if (status == RESIDUA_OK) status = run(own, 8, 32, logits, why);
                    }
                    if (status == RESIDUA_OK && logits != expected) fail("outputs without some memory differ");
                    must_run(context, "another model's run");
                    if (own.handle != nullptr) must_run(own, "the next run");
                    return status;
                  });

  for (const residua_schedule schedule : {RESIDUA_LATENCY, RESIDUA_THROUGHPUT})
    every_failure("a new shape", true, [&](residua_error& why) {
      Model loaded;
      Context own;
      must(load(path.c_str(), loaded, why), why, "loading");
      must(create(loaded, schedule, own, why), why, "a context");
      must_run(own, "the first run");
      std::vector<float> larger(50);
      residua_status status = RESIDUA_OK;
      {
        const Armed now;
        status = run(own, 5, 40, larger, why);
      }
      must_run(own, "the next run");
      residua_error none{};
      must(run(own, 5, 40, larger, none), none, "the new shape");
      return status;
    });

  // Who does a part varies from run to run: were memory asked for there, a worker's first part of a layer would ask.
  for (const residua_schedule schedule : {RESIDUA_LATENCY, RESIDUA_THROUGHPUT}) {
    Context own;
    must(create(model, schedule, own, error), error, "a context");
    must_run(own, "the first run");
    long usual = 0;
    for (int later = 0; later < 50; ++later) {
      const Armed now;
      must_run(own, "a later run");
      if (later == 0) usual = asked;
      if (asked != usual)
        fail("a later run asks for " + std::to_string(asked) + " blocks, another for " + std::to_string(usual));
    }
  }

  std::vector<std::int32_t> expected_best(8), best(8);
  must(run_lent(model, expected_best, error), error, "a run without a context");
  every_failure("without a context", true, [&](residua_error& why) {
    Model loaded;
    must(load(path.c_str(), loaded, why), why, "loading");
    residua_status status = RESIDUA_OK;
    {
      const Armed now;
      status = run_lent(loaded, best, why);
    }
    if (status == RESIDUA_OK && best != expected_best) fail("classes without some memory differ");
    residua_error none{};
    must(run_lent(loaded, best, none), none, "the next run");
    if (best != expected_best) fail("the next run gives other classes");
    return status;
  });
  std::printf("all well\n");
  return 0;
}
