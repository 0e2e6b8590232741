// What a call must answer when it is refused.
#pragma once

#include <doctest/doctest.h>

#include <residua/residua.hpp>
#include <string>

template <class T>
void check_refused(const residua::Result<T>& result, const std::string& part,
                   residua::Status status = RESIDUA_INVALID_ARGUMENT) {
  REQUIRE_FALSE(result.ok());
  CHECK(result.status() == status);
  CAPTURE(result.error().what());
  CHECK(std::string(result.error().what()).find(part) != std::string::npos);
}
