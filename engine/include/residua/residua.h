/* Residua: residual networks on CPUs. The C interface (C99, and any C++).
 *
 *   residua_error error;
 *   residua_model *model = NULL;
 *   if (residua_model_load("resnet50.onnx", NULL, &model, &error) != RESIDUA_OK) puts(error.message);
 *
 * Rules that hold for every function:
 * - A function that can fail returns a residua_status and, when `error` is not NULL, fills it. Nothing is ever printed;
 *   the library neither aborts nor exits.
 * - Every option, input and information struct starts with `struct_size`: zero the struct, then set it to sizeof of the
 *   struct. Fields beyond the size given keep their defaults, so programs built against an older header keep working
 * with a newer library. In option structs zero means the default.
 * - Text is UTF-8. Pointers to text and arrays that a function returns belong to the object they came from and live as
 *   long as it does, unless the function says otherwise.
 * - A model is immutable: any number of threads may use it at once. A context serves one thread at a time; contexts
 *   of one model share its weights.
 */
#ifndef RESIDUA_RESIDUA_H
#define RESIDUA_RESIDUA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define RESIDUA_API __attribute__((visibility("default")))
#else
#define RESIDUA_API
#endif

typedef enum residua_status {
  RESIDUA_OK = 0,
  RESIDUA_INVALID_ARGUMENT = 1, /* the call has no meaning: a NULL pointer, a size of zero, an unknown option */
  RESIDUA_IO = 2,               /* a file could not be opened, read or mapped */
  RESIDUA_MALFORMED = 3,        /* a file's bytes are not what its format promises */
  RESIDUA_UNSUPPORTED = 4,      /* well formed, but outside what Residua runs */
  RESIDUA_MISMATCH = 5,         /* tensors, shapes or names do not fit the network */
  RESIDUA_LIMIT = 6,            /* larger than a limit allows */
  RESIDUA_OUT_OF_MEMORY = 7,
  RESIDUA_INTERNAL = 8 /* a bug in Residua: please report the message */
} residua_status;

/* Owned by the caller, filled on failure; on success message is "". Longer messages are cut at a character's end. */
typedef struct residua_error {
  residua_status status;
  char message[1020];
} residua_error;

/* ---- What this library is ---------------------------------------------------------------------------------------- */

typedef struct residua_version_info {
  size_t struct_size;
  const char* version;                /* "0.1.0" */
  const char* compiler;               /* "gcc 12.2.0" */
  const char* onednn;                 /* "3.2.0" */
  const char* instruction_sets;       /* compiled in, comma-separated, lowest first: "sse2, avx2, avx512" */
  const char* instruction_set_in_use; /* "avx512": the CPU's best, capped by RESIDUA_MAX_ISA */
} residua_version_info;

/* Fills `info`. The texts are static. Thread-safe; fails only on a NULL or too small `info`. */
RESIDUA_API residua_status residua_get_version(residua_version_info* info, residua_error* error);

/* The architectures that residua_model_create_random takes, NULL-terminated, sorted. Static; NULL without
 * memory. */
RESIDUA_API const char* const* residua_architectures(void);

/* The CPU budget: how many threads this process may keep busy, min(affinity, cgroup quota rounded up), at least 1. */
RESIDUA_API int32_t residua_cpu_budget(void);

/* The rate of fused multiply-adds in float32 that `threads` threads reach together without touching memory, in GFLOP/s
 * (an FMA counts as two). Runs for about 0.2 s. `threads` 0: the CPU budget. */
RESIDUA_API residua_status residua_measure_peak(int threads, double* gflops_per_second, residua_error* error);

/* Messages for people: what RESIDUA_VERBOSE asks for (dispatch, profile), and notes on odd settings. `message` lives
 * during the call only; the callback may be called from any thread, one call at a time. NULL, the default, turns them
 * off. Thread-safe. */
typedef void (*residua_log_callback)(void* user, const char* message);
RESIDUA_API void residua_set_log_callback(residua_log_callback callback, void* user);

/* ---- Models ------------------------------------------------------------------------------------------------------ */

typedef struct residua_model residua_model;

typedef struct residua_load_options {
  size_t struct_size;
  const char* architecture; /* overrides what the file says; NULL: tell from the file */
  const char* labels; /* path of a label file, one a line, or tab-separated with the label last; NULL: the file's */
  /* 1: compare the checksums of everything in a packed model file, which reads all of it. Header and index are checked
   * in any case. */
  int32_t verify;
  /* 1: keep the network, optimised and with its weights packed for this CPU, in a folder, and start from that the next
   * time. What is kept is for this file as it is now (path, size, times, inode) and this build of the library; anything
   * else there is passed over and written anew, when a run has packed weights that it lacks. That this failed is a log
   * message, never an error. Models with external data and packed model files are not kept. */
  int32_t cache;
  const char* cache_folder; /* NULL: residua in $XDG_CACHE_HOME, else in ~/.cache */
  /* Bytes that transformed weights may add to the weights' own size, in all runs of the model together. Winograd's
   * algorithm keeps 3x3 weights at 16/9 or 36/9 of their size; under a limit the layers have it that save the most
   * multiplications for each byte. 0: no limit. */
  size_t memory_limit;
} residua_load_options;

/* Loads a model file: ONNX, safetensors, a PyTorch state dict or a packed model file, told by content. A sidecar
 * FILE.json beside it (same path with ".json" added) is read when present. The file is mapped, not copied: while the
 * model lives it must stay as it is (to replace it, rename another one over it). On success *model is the caller's, to
 * be given back with residua_model_release. Errors name file, node or tensor, what was found and what was expected.
 * Thread-safe. */
RESIDUA_API residua_status residua_model_load(const char* path, const residua_load_options* options,
                                              residua_model** model, residua_error* error);

/* A known architecture with seeded random weights, for benchmarks and tests. */
RESIDUA_API residua_status residua_model_create_random(const char* architecture, uint64_t seed, residua_model** model,
                                                       residua_error* error);
/* The same, with the options of a model file that have to do with running it (memory_limit). `options` NULL: defaults.
 */
RESIDUA_API residua_status residua_model_create_random_with_options(const char* architecture, uint64_t seed,
                                                                    const residua_load_options* options,
                                                                    residua_model** model, residua_error* error);

/* Gives the caller's hold on the model back; contexts that still use it keep it alive. NULL is fine. */
RESIDUA_API void residua_model_release(residua_model* model);

typedef enum residua_interpolation { RESIDUA_BILINEAR = 0, RESIDUA_BICUBIC = 1 } residua_interpolation;

typedef struct residua_model_info {
  size_t struct_size;
  const char* format;       /* "onnx", "safetensors", "pth (zip)", "pth (legacy)", "packed", "random" */
  const char* architecture; /* "resnet50", or "" where the file does not tell */
  int32_t channels;         /* of the input image: 3 */
  int32_t input_height;     /* what preprocessing makes, in pixels: 224 */
  int32_t input_width;
  int32_t resize; /* shorter side before the centre crop: 256 */
  residua_interpolation interpolation;
  float mean[3]; /* of channel values scaled to 0..1, in R, G, B order */
  float standard_deviation[3];
  int32_t classes;                   /* values of one image in the first output */
  int32_t outputs_are_probabilities; /* 1: the network itself ends in softmax; 0: logits */
  int32_t label_count;               /* 0: no labels */
  int64_t parameters;                /* learned values the network keeps after optimisation */
} residua_model_info;

RESIDUA_API residua_status residua_model_get_info(const residua_model* model, residua_model_info* info,
                                                  residua_error* error);

/* The label of a class, or NULL where there is none. Lives as long as the model. */
RESIDUA_API const char* residua_model_label(const residua_model* model, int32_t index);

typedef enum residua_stage {
  RESIDUA_IMPORTED = 0,  /* as the file says */
  RESIDUA_OPTIMIZED = 1, /* after the passes */
  RESIDUA_PLANNED = 2    /* placed on implementations, for the shape in the options */
} residua_stage;

typedef enum residua_text_format { RESIDUA_TEXT = 0, RESIDUA_JSON = 1, RESIDUA_DOT = 2 } residua_text_format;

typedef enum residua_schedule {
  RESIDUA_AUTO = 0, /* throughput where images divide evenly among threads or are at least 4 a thread, else latency */
  RESIDUA_LATENCY = 1,   /* all threads work on each step together */
  RESIDUA_THROUGHPUT = 2 /* each thread runs whole images alone, and all run groups of images together where the network
                             has become so narrow that its weights outweigh the images */
} residua_schedule;

typedef struct residua_context_options {
  size_t struct_size;
  int32_t threads; /* 0: the CPU budget, min(affinity, cgroup quota); never more than that */
  residua_schedule schedule;
  int32_t profile; /* 1: time every layer, for residua_context_get_layer */
  /* 1: run each convolution in the way that is fastest on this machine. What has not been measured yet is measured when
   * a shape is planned, which takes some seconds, and kept in residua in $XDG_CACHE_HOME, else in ~/.cache. A file or
   * folder that cannot be used is a log message, never an error. The choice may differ between machines, numbers of
   * threads and batches, and so may the last bits of outputs; 0, the default, neither measures nor looks there. */
  int32_t tune;
} residua_context_options;

/* The network as text, JSON or Graphviz. For RESIDUA_PLANNED `batch`, `height`, `width` (0: 1 and the model's own size)
 * and `context_options` say for which run. *text is the caller's, to be given back with residua_text_free. */
RESIDUA_API residua_status residua_model_describe(const residua_model* model, residua_stage stage,
                                                  residua_text_format format, int32_t batch, int32_t height,
                                                  int32_t width, const residua_context_options* context_options,
                                                  char** text, residua_error* error);
RESIDUA_API void residua_text_free(char* text);

/* Writes a packed model file: one file with the network, what is known of its images and classes, the weights as they
 * are, and packed as the runs of these batches (`batch_count` of them, of `height` x `width`, 0: the model's own size)
 * need them with `context_options`. Loading it maps these weights, shared with every process that does. What was packed
 * by another build of the library or for another instruction set is passed over, so the file runs everywhere. `path`
 * appears whole or not at all. Thread-safe. */
RESIDUA_API residua_status residua_model_pack(const residua_model* model, const char* path, const int32_t* batches,
                                              size_t batch_count, int32_t height, int32_t width,
                                              const residua_context_options* context_options, residua_error* error);

/* ---- Images ------------------------------------------------------------------------------------------------------ */

/* Resizes (shorter side to `resize`, antialiased, Pillow's arithmetic), then crops the centre as torchvision does it.
 * `pixels`: RGB, 8 bits, rows `row_stride` bytes apart. `output`: [input_height, input_width, 3], dense, the caller's.
 * Thread-safe. */
RESIDUA_API residua_status residua_preprocess(const residua_model* model, const uint8_t* pixels, int32_t width,
                                              int32_t height, size_t row_stride, uint8_t* output, residua_error* error);

/* ---- Running ----------------------------------------------------------------------------------------------------- */

typedef struct residua_context residua_context;

/* A context costs no memory to speak of until its first run; then it holds the activations (the arena) of the largest
 * shape it has run. It keeps the model alive. `options` NULL: defaults. */
RESIDUA_API residua_status residua_context_create(residua_model* model, const residua_context_options* options,
                                                  residua_context** context, residua_error* error);
RESIDUA_API void residua_context_release(residua_context* context);

typedef enum residua_input_format {
  RESIDUA_FLOAT32_NCHW = 0, /* already normalised: what the network was trained on */
  RESIDUA_UINT8_NHWC = 1    /* RGB pixels 0..255; scaled and normalised with the model's mean and standard deviation */
} residua_input_format;

/* Dense images, all of one size. The data is read during the call only. */
typedef struct residua_input {
  size_t struct_size;
  residua_input_format format;
  const void* data;
  int32_t batch; /* images, >= 1 */
  int32_t height;
  int32_t width;
} residua_input;

/* Runs the network on `input` and writes its first output, float32 [batch, classes], to `output` (room for
 * `output_count` floats, at least batch x classes). Any batch size, and any image size that the network takes; a shape
 * that this context has not seen is planned first. One call at a time per context. Equal inputs give equal
 * bits, whatever the threads and the schedule; another batch size may choose another algorithm and differ in the last
 * ones, and so may a tuned run. */
RESIDUA_API residua_status residua_context_run(residua_context* context, const residua_input* input, float* output,
                                               size_t output_count, residua_error* error);

/* Softmax over each row of `values` [rows, classes], written to `probabilities` (may be `values` itself). Sums in
 * double. */
RESIDUA_API void residua_softmax(const float* values, size_t rows, size_t classes, float* probabilities);

/* The `count` largest of `classes` values, best first, ties by lower index, NaN last. Writes min(count, classes)
 * indices. */
RESIDUA_API void residua_top_k(const float* values, size_t classes, size_t count, int32_t* indices);

/* What the last run used. */
typedef struct residua_run_info {
  size_t struct_size;
  int32_t threads;
  residua_schedule schedule;  /* never RESIDUA_AUTO */
  size_t arena_bytes;         /* activations of one image's worker and of the groups run together */
  size_t arena_lower_bound;   /* largest sets of tensors alive together, likewise */
  size_t scratch_bytes;       /* of one worker */
  int32_t workers;            /* arenas in use: 1, or one per thread in the throughput schedule */
  size_t packed_weight_bytes; /* shared by all contexts of the model */
  double gflop_per_image;     /* of direct convolution and fully connected layers: 2 per multiply-add */
  int32_t layer_count;
} residua_run_info;

RESIDUA_API residua_status residua_context_get_run_info(const residua_context* context, residua_run_info* info,
                                                        residua_error* error);

/* The texts live until the context's next run. */
typedef struct residua_layer_info {
  size_t struct_size;
  const char* name;
  const char* op;
  const char* implementation;
  double milliseconds; /* of the last run, summed over images and averaged over workers; 0 without profile */
  double gflop;        /* of the last run's whole batch */
} residua_layer_info;

RESIDUA_API residua_status residua_context_get_layer(const residua_context* context, int32_t index,
                                                     residua_layer_info* info, residua_error* error);

#ifdef __cplusplus
}
#endif

#endif
