// Messages for people, handed to the host's callback. The library itself never prints.
#pragma once

#include <string>

namespace residua::engine {

using LogCallback = void (*)(void* user, const char* message);

// Thread-safe; nullptr turns messages off, which is the default.
void set_log_callback(LogCallback callback, void* user);
bool log_wanted();
void log(const std::string& message);

}  // namespace residua::engine
