/* Loads the library, uses it and unloads it, again and again: nothing of it stays. What does stay is oneDNN with
 * libgomp and the C++ runtime, which the system's loader never unloads; this program holds them from the start, so that
 * they do not count.
 *
 *   unload_test LIBRARY MODEL ONEDNN
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "residua/residua.h"
#include "tests/sanitized.h"

static void fail(const char* what, const char* why) {
  fprintf(stderr, "unload_test: %s: %s\n", what, why);
  exit(1);
}

static int entries(const char* folder) {
  int count = 0;
  DIR* open = opendir(folder);
  if (open == NULL) fail(folder, "cannot be read");
  while (readdir(open) != NULL) ++count;
  closedir(open);
  return count;
}

/* Lines of /proc/self/maps that name `part`. */
static int mappings(const char* part) {
  char line[4096];
  int count = 0;
  FILE* maps = fopen("/proc/self/maps", "r");
  if (maps == NULL) fail("/proc/self/maps", "cannot be read");
  while (fgets(line, sizeof line, maps) != NULL) count += strstr(line, part) != NULL;
  fclose(maps);
  return count;
}

static long resident_pages(void) {
  long all = 0, resident = 0;
  FILE* statm = fopen("/proc/self/statm", "r");
  if (statm == NULL || fscanf(statm, "%ld %ld", &all, &resident) != 2) fail("/proc/self/statm", "cannot be read");
  fclose(statm);
  return resident;
}

static void* symbol(void* library, const char* name) {
  void* found = dlsym(library, name);
  if (found == NULL) fail(name, dlerror());
  return found;
}

/* POSIX lets an object pointer from dlsym be one to a function, C99 does not let it be written as a cast. */
#define LOOK_UP(pointer, name)                 \
  do {                                         \
    void* found = symbol(library, name);       \
    memcpy(&(pointer), &found, sizeof(found)); \
  } while (0)

struct work {
  void* library;
  const char* model;
};

static void* use(void* argument) {
  const struct work* work = argument;
  void* library = work->library;
  residua_status (*load)(const char*, const residua_load_options*, residua_model**, residua_error*);
  residua_status (*create)(residua_model*, const residua_context_options*, residua_context**, residua_error*);
  residua_status (*run)(residua_context*, const residua_input*, float*, size_t, residua_error*);
  void (*release_context)(residua_context*);
  void (*release_model)(residua_model*);
  LOOK_UP(load, "residua_model_load");
  LOOK_UP(create, "residua_context_create");
  LOOK_UP(run, "residua_context_run");
  LOOK_UP(release_context, "residua_context_release");
  LOOK_UP(release_model, "residua_model_release");

  static const float image[4 * 3 * 32 * 32];
  float output[4 * 10];
  residua_model* model = NULL;
  residua_context* context = NULL;
  residua_error error;
  const residua_input input = {.struct_size = sizeof input,
                               .format = RESIDUA_FLOAT32_NCHW,
                               .data = image,
                               .batch = 4,
                               .height = 32,
                               .width = 32};
  if (load(work->model, NULL, &model, &error) != RESIDUA_OK) fail(work->model, error.message);
  if (create(model, NULL, &context, &error) != RESIDUA_OK) fail("context", error.message);
  if (run(context, &input, output, 40, &error) != RESIDUA_OK) fail("run", error.message);
  release_context(context);
  release_model(model);
  return NULL;
}

int main(int count, char** arguments) {
  if (count != 4) fail("usage", "unload_test LIBRARY MODEL ONEDNN");
  if (dlopen(arguments[3], RTLD_NOW) == NULL) fail(arguments[3], dlerror());
  const int rounds = getenv("RESIDUA_SOAK") != NULL ? 2000 : 40;
  int threads = 0, descriptors = 0;
  long pages = 0;
  for (int round = 0; round < rounds; ++round) {
    struct work work = {dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL), arguments[2]};
    if (work.library == NULL) fail(arguments[1], dlerror());
    if (round % 2 == 0) {
      use(&work);
    } else { /* from a thread that ends before the library is unloaded */
      pthread_t thread;
      if (pthread_create(&thread, NULL, use, &work) != 0) fail("thread", "cannot be made");
      pthread_join(thread, NULL);
    }
    if (dlclose(work.library) != 0) fail("dlclose", dlerror());
    if (mappings("libresidua") != 0) fail("dlclose", "the library is still mapped");
    if (entries("/proc/self/task") != 3) fail("dlclose", "threads are left"); /* this one, "." and ".." */
    if (round == 10) {
      threads = entries("/proc/self/task");
      descriptors = entries("/proc/self/fd");
      pages = resident_pages();
    }
  }
  if (entries("/proc/self/task") != threads) fail("the end", "more threads than at the beginning");
  if (entries("/proc/self/fd") != descriptors) fail("the end", "more descriptors than at the beginning");
  const long more = resident_pages() - pages;
  /* Sanitizers look for leaks themselves. */
  if (!RESIDUA_SANITIZED && more > 1024) fail("the end", "more than 4 MB of memory more than at the beginning");
  printf("%d rounds, %ld pages more than after the first ten\n", rounds, more);
  /* The handlers of the library's forks and of its end went with it. */
  const pid_t child = fork();
  if (child == 0) exit(0);
  int status = 0;
  if (waitpid(child, &status, 0) != child || status != 0) fail("a fork after dlclose", "the child failed");
  return 0;
}
