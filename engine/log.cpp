#include "engine/log.h"

#include <mutex>

namespace residua::engine {
namespace {

// A recursive mutex: a callback may itself call the library.
std::recursive_mutex mutex;
LogCallback current = nullptr;
void* current_user = nullptr;

}  // namespace

void set_log_callback(LogCallback callback, void* user) {
  const std::lock_guard lock(mutex);
  current = callback;
  current_user = user;
}

bool log_wanted() {
  const std::lock_guard lock(mutex);
  return current != nullptr;
}

void log(const std::string& message) {
  const std::lock_guard lock(mutex);
  if (current) current(current_user, message.c_str());
}

}  // namespace residua::engine
