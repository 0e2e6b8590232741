/* Whether a sanitizer watches this build, for C and C++: freed memory stays for a while then, to catch its use, and
 * what is right takes ten times as long. */
#ifndef RESIDUA_TESTS_SANITIZED_H
#define RESIDUA_TESTS_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RESIDUA_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define RESIDUA_SANITIZED 1
#endif
#endif
#ifndef RESIDUA_SANITIZED
#define RESIDUA_SANITIZED 0
#endif

#ifdef __cplusplus
namespace residua::tests {
inline constexpr bool sanitized = RESIDUA_SANITIZED != 0;
}  // namespace residua::tests
#endif

#endif
