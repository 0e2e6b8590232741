// Result<T>: a value, or an error that a person can act on.
//
// Everything that judges untrusted data (files, images, shapes, options) returns a Result; nothing there throws.
// A broken invariant of our own throws InternalError instead: it is a bug, not an answer.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

namespace residua::graph {

enum class ErrorCode {
  invalid_argument,  // the caller asked for something that has no meaning
  io,                // a file could not be opened, read, mapped or written
  malformed,         // the bytes are not what their format promises
  unsupported,       // well formed, but outside what Residua runs
  mismatch,          // tensors, shapes or names do not fit the network they are meant for
  limit,             // larger than a limit allows
  out_of_memory,
  cancelled,  // the caller gave the run up
  deadline,   // the caller's deadline passed
  internal,   // a broken invariant of ours
};

// The message says what was found, what was expected, and where (file, node, tensor or byte offset).
struct Error {
  ErrorCode code;
  std::string message;
};

class InternalError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : content_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : content_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return content_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Asking for the side that is not there is a bug in the caller.
  T& value() & { return const_cast<T&>(std::as_const(*this).value()); }
  const T& value() const& {
    if (!ok()) throw InternalError("value() of a failed Result: " + error().message);
    return *std::get_if<0>(&content_);
  }
  T&& value() && { return std::move(value()); }
  const Error& error() const {
    if (ok()) throw InternalError("error() of a Result that holds a value");
    return *std::get_if<1>(&content_);
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Error> content_;
};

// The Result of something that has nothing to return.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)) {}

  bool ok() const { return !error_; }
  explicit operator bool() const { return ok(); }
  const Error& error() const {
    if (!error_) throw InternalError("error() of a Status that is ok");
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

}  // namespace residua::graph

// Returns the error of a failed Result or Status from the enclosing function.
#define RESIDUA_RETURN_IF_ERROR(expression)                                                 \
  do {                                                                                      \
    if (auto residua_status = (expression); !residua_status) return residua_status.error(); \
  } while (false)

#define RESIDUA_JOIN_INNER(a, b) a##b
#define RESIDUA_JOIN(a, b) RESIDUA_JOIN_INNER(a, b)

// RESIDUA_ASSIGN(auto graph, import(bytes)): the value on success, return of the error otherwise.
#define RESIDUA_ASSIGN(declaration, expression) \
  RESIDUA_ASSIGN_AS(RESIDUA_JOIN(residua_result_, __LINE__), declaration, expression)
#define RESIDUA_ASSIGN_AS(name, declaration, expression) \
  auto name = (expression);                              \
  if (!name) return name.error();                        \
  declaration = std::move(name).value()
