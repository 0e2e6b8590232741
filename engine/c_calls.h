// How every function of the C interface is called: arguments are checked, structs translated, and errors and exceptions
// become status codes.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <utility>

#include "engine/context.h"
#include "engine/float_mode.h"
#include "engine/fork.h"
#include "engine/run_pool.h"
#include "residua/residua.h"

struct residua_model {
  explicit residua_model(std::shared_ptr<const residua::engine::Model> loaded)
      : model(std::move(loaded)), pool(std::make_shared<residua::engine::RunPool>(model)) {}

  const std::shared_ptr<const residua::engine::Model> model;
  const std::shared_ptr<residua::engine::RunPool> pool;  // asynchronous runs hold it, too
};

struct residua_context {
  residua::engine::Context context;
};

struct residua_cancel_token {
  const std::shared_ptr<residua::engine::CancelFlag> flag = std::make_shared<residua::engine::CancelFlag>(false);
};

namespace residua::engine::c {

namespace graph = residua::graph;

inline residua_status status_of(graph::ErrorCode code) {
  switch (code) {
    case graph::ErrorCode::invalid_argument:
      return RESIDUA_INVALID_ARGUMENT;
    case graph::ErrorCode::io:
      return RESIDUA_IO;
    case graph::ErrorCode::malformed:
      return RESIDUA_MALFORMED;
    case graph::ErrorCode::unsupported:
      return RESIDUA_UNSUPPORTED;
    case graph::ErrorCode::mismatch:
      return RESIDUA_MISMATCH;
    case graph::ErrorCode::limit:
      return RESIDUA_LIMIT;
    case graph::ErrorCode::out_of_memory:
      return RESIDUA_OUT_OF_MEMORY;
    case graph::ErrorCode::cancelled:
      return RESIDUA_CANCELLED;
    case graph::ErrorCode::deadline:
      return RESIDUA_DEADLINE;
    case graph::ErrorCode::internal:
      return RESIDUA_INTERNAL;
  }
  return RESIDUA_INTERNAL;
}

inline residua_status report(residua_error* error, residua_status status, const char* message) noexcept {
  if (error == nullptr) return status;
  error->status = status;
  std::size_t length = std::min(std::strlen(message), sizeof(error->message) - 1);
  if (message[length] != '\0')  // cut: not inside a UTF-8 character
    while (length > 0 && (static_cast<unsigned char>(message[length]) & 0xC0) == 0x80) --length;
  std::memcpy(error->message, message, length);
  error->message[length] = '\0';
  return status;
}

// Thrown by the functions of the C interface to end with that error.
struct Refusal {
  graph::Error error;
};

inline void require(bool condition, const char* message) {
  if (!condition) throw Refusal{{graph::ErrorCode::invalid_argument, message}};
}

template <class T>
T value_or_refuse(graph::Result<T> result) {
  if (!result) throw Refusal{result.error()};
  return std::move(result).value();
}

inline void refuse_unless_ok(const graph::Status& status) {
  if (!status) throw Refusal{status.error()};
}

// Runs `body`; whatever it throws becomes a status. Nothing crosses into the caller's C.
template <class Body>
residua_status guarded(residua_error* error, const Body& body) noexcept {
  try {
    const LockingCall call;
    if (const char* reason = broken_by_fork()) throw Refusal{{graph::ErrorCode::unsupported, reason}};
    const OurFloatMode mode;
    body();
    return report(error, RESIDUA_OK, "");
  } catch (const Refusal& refusal) {
    return report(error, status_of(refusal.error.code), refusal.error.message.c_str());
  } catch (const Stopped& stopped) {
    return report(error, status_of(stopped.error.code), stopped.error.message.c_str());
  } catch (const std::bad_alloc&) {
    return report(error, RESIDUA_OUT_OF_MEMORY, "out of memory");
  } catch (const std::length_error&) {
    return report(error, RESIDUA_OUT_OF_MEMORY, "out of memory");
  } catch (const dnnl::error& failure) {
    return failure.status == dnnl_out_of_memory ? report(error, RESIDUA_OUT_OF_MEMORY, "out of memory")
                                                : report(error, RESIDUA_INTERNAL, failure.what());
  } catch (const std::exception& failure) {
    return report(error, RESIDUA_INTERNAL, failure.what());
  } catch (...) {
    return report(error, RESIDUA_INTERNAL, "an unknown exception");
  }
}

// A caller's struct as this library knows it: fields beyond the caller's size keep their defaults.
template <class Struct>
Struct read_struct(const Struct* given, const char* complaint) {
  Struct result{};
  if (given == nullptr) return result;
  require(given->struct_size >= sizeof(std::size_t), complaint);
  std::memcpy(&result, given, std::min(given->struct_size, sizeof(Struct)));
  return result;
}

// Fills as much of the caller's struct as the caller knows of.
template <class Struct>
void write_struct(Struct* target, Struct filled, const char* complaint) {
  require(target != nullptr && target->struct_size >= sizeof(std::size_t), complaint);
  const std::size_t size = target->struct_size;
  filled.struct_size = size;
  std::memcpy(target, &filled, std::min(size, sizeof(Struct)));
}

inline Schedule schedule_of(residua_schedule schedule) {
  switch (schedule) {
    case RESIDUA_AUTO:
      return Schedule::automatic;
    case RESIDUA_LATENCY:
      return Schedule::latency;
    case RESIDUA_THROUGHPUT:
      return Schedule::throughput;
  }
  throw Refusal{{graph::ErrorCode::invalid_argument, "unknown schedule"}};
}

inline void require_within(std::int64_t value, const char* name, std::int64_t least, std::int64_t most) {
  if (value >= least && value <= most) return;
  throw Refusal{{graph::ErrorCode::invalid_argument, std::string(name) + " is " + std::to_string(value) +
                                                         ", expected " + std::to_string(least) + " to " +
                                                         std::to_string(most)}};
}

inline ContextOptions context_options_of(const residua_context_options* options) {
  const auto given = read_struct(options, "residua_context_options.struct_size is not set");
  require_within(given.threads, "residua_context_options.threads", 0, INT32_MAX);
  require_within(given.profile, "residua_context_options.profile", 0, 1);
  require_within(given.tune, "residua_context_options.tune", 0, 1);
  require_within(given.direct, "residua_context_options.direct", 0, 1);
  return {.threads = given.threads,
          .schedule = schedule_of(given.schedule),
          .profile = given.profile == 1,
          .tune = given.tune == 1,
          .direct = given.direct == 1};
}

// A copy of `text` for residua_text_free.
inline char* text_for_caller(const std::string& text) {
  char* const copy = static_cast<char*>(std::malloc(text.size() + 1));
  if (copy == nullptr) throw std::bad_alloc();
  std::memcpy(copy, text.c_str(), text.size() + 1);
  return copy;
}

}  // namespace residua::engine::c
