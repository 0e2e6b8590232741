/* Residua: residual networks on CPUs. The C interface (C99, and any C++).
 *
 *   residua_error error;
 *   residua_model *model = NULL;
 *   if (residua_model_load("resnet50.onnx", NULL, &model, &error) != RESIDUA_OK) puts(error.message);
 *
 *   residua_input input = {.struct_size = sizeof input, .format = RESIDUA_UINT8_NHWC, .data = pixels, .batch = 1,
 *                          .height = height, .width = width, .preparation = RESIDUA_PREPARE};
 *   residua_output top5 = {.struct_size = sizeof top5, .name = "probabilities", .values = probabilities, .capacity = 5,
 *                          .top_k = 5, .indices = indices};
 *   if (residua_run(model, &input, &top5, 1, NULL, &error) != RESIDUA_OK) puts(error.message);
 *
 * In this order: what this library is; models; images; outputs; runs; runs with a context of one's own; what a service
 * watches.
 *
 * Rules that hold for every function:
 * - A function that can fail returns a residua_status and, when `error` is not NULL, fills it. Nothing is ever printed;
 *   the library neither aborts nor exits. Any of them may fail with RESIDUA_INVALID_ARGUMENT (a NULL where something
 *   is expected, a struct_size that is not set, a number out of its range), RESIDUA_OUT_OF_MEMORY, RESIDUA_INTERNAL,
 *   and RESIDUA_UNSUPPORTED in a child process that was forked in the middle of a call. What else it may be, the
 *   function's own comment says.
 * - Every option, input and information struct starts with `struct_size`: zero the struct, then set it to sizeof of the
 *   struct. Fields beyond the size given keep their defaults, so programs built against an older header keep working
 *   with a newer library. In option structs zero means the default. The structs of an array lie `struct_size` of the
 *   first one apart.
 * - Text is UTF-8. Pointers to text and arrays that a function returns belong to the object they came from and live as
 *   long as it does, unless the function says otherwise.
 * - A model is immutable: any number of threads may use it at once. A context serves one thread at a time; contexts
 *   of one model share its weights.
 * - "Thread-safe" means: from any number of threads at once, on the same objects too.
 * - Times are in milliseconds of a clock that only goes forward, sizes in bytes, sides of images in pixels.
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

/* Any int may come in an enum from C; in C++ that needs a type behind it. */
#ifdef __cplusplus
#define RESIDUA_ENUM_TYPE : int
#else
#define RESIDUA_ENUM_TYPE
#endif

typedef enum residua_status RESIDUA_ENUM_TYPE {
  RESIDUA_OK = 0,
  RESIDUA_INVALID_ARGUMENT = 1, /* the call has no meaning: a NULL pointer, a size of zero, an unknown option */
  RESIDUA_IO = 2,               /* a file could not be opened, read or mapped */
  RESIDUA_MALFORMED = 3,        /* a file's bytes are not what its format promises */
  RESIDUA_UNSUPPORTED = 4,      /* well formed, but outside what Residua runs */
  RESIDUA_MISMATCH = 5,         /* tensors, shapes or names do not fit the network */
  RESIDUA_LIMIT = 6,            /* larger than a limit allows */
  RESIDUA_OUT_OF_MEMORY = 7,
  RESIDUA_INTERNAL = 8,  /* a bug in Residua: please report the message */
  RESIDUA_CANCELLED = 9, /* the caller cancelled it */
  RESIDUA_DEADLINE = 10  /* the caller's deadline passed before it was done */
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
  const char* instruction_sets;       /* compiled in, comma-separated, lowest first: "sse2, avx2, avx512, amx" */
  const char* instruction_set_in_use; /* "avx512": the CPU's best, capped by RESIDUA_MAX_ISA */
} residua_version_info;

/* Fills `info`. The texts are static. Thread-safe; fails only on a NULL or too small `info`. */
RESIDUA_API residua_status residua_get_version(residua_version_info* info, residua_error* error);

typedef struct residua_capabilities {
  size_t struct_size;
  const char* formats;         /* of model files, comma-separated: "onnx, safetensors, pth, packed" */
  const char* precisions;      /* "fp32" */
  const char* cpu_features;    /* of this CPU, among the instruction sets compiled in: "sse2, avx2, avx512, amx" */
  int32_t onnx_opset_min;      /* 7 */
  int32_t onnx_opset_max;      /* 22 */
  int32_t largest_image_side;  /* 32768 */
  int32_t cpu_budget;          /* residua_cpu_budget() */
  int64_t largest_run_at_once; /* a larger batch is run in pieces of at most so many images: memory stays bounded */
} residua_capabilities;

/* What this library can do on this machine. The texts are static. Thread-safe; fails only on a NULL or too small
 * `info`. */
RESIDUA_API residua_status residua_get_capabilities(residua_capabilities* info, residua_error* error);

/* The architectures that residua_model_create_random takes, NULL-terminated, sorted. Static; NULL without
 * memory. Thread-safe. */
RESIDUA_API const char* const* residua_architectures(void);

/* The CPU budget: how many threads this process may keep busy, min(affinity, cgroup quota rounded up), at least 1.
 * Looked at anew in every call. Thread-safe. */
RESIDUA_API int32_t residua_cpu_budget(void);

/* The rate of fused multiply-adds in float32 that `threads` threads reach together without touching memory, in GFLOP/s
 * (an FMA counts as two). Runs for about 0.2 s. `threads` 0: the CPU budget, and never more. Thread-safe, but together
 * with other work it measures what is left. */
RESIDUA_API residua_status residua_measure_peak(int threads, double* gflops_per_second, residua_error* error);

/* Messages for people: what RESIDUA_VERBOSE asks for (dispatch, profile), and notes on odd settings. `message` lives
 * during the call only; the callback may be called from any thread, one call at a time. NULL, the default, turns them
 * off. Thread-safe. */
typedef void (*residua_log_callback)(void* user, const char* message);
RESIDUA_API void residua_set_log_callback(residua_log_callback callback, void* user);

/* Where the large blocks come from: packed weights, the arenas and scratch memory of contexts, prepared images, and
 * model bytes that are copied or read from a callback. Not from here: files that are mapped, weights that have to be
 * unpacked from a compressed file, random weights, and the small change of lists and texts. */
typedef struct residua_allocator {
  size_t struct_size;
  void* user;
  /* `bytes` > 0 at a multiple of `alignment`, a power of two; NULL: there is none, which becomes RESIDUA_OUT_OF_MEMORY.
   * Both may be called from any thread, several at once, and must not call this library. */
  void* (*allocate)(void* user, size_t bytes, size_t alignment);
  void (*release)(void* user, void* memory, size_t bytes);
} residua_allocator;

/* For this process, from now on; NULL: the library's own again. Every block goes back to where it came from, so
 * `release` must work until the last of them is gone. Thread-safe; fails on a struct without both functions. */
RESIDUA_API residua_status residua_set_allocator(const residua_allocator* allocator, residua_error* error);

/* Bounds on what model files and images may ask for, checked before memory is taken: "nodes", "file_bytes",
 * "zip_ratio"... SECURITY.md lists them with their defaults. One that is passed is RESIDUA_LIMIT; the message names the
 * bound, the value found and how to raise it. They hold for the process, from now on; the environment variable
 * RESIDUA_LIMITS ("nodes=50000,image_pixels=400000000") sets them first. `name` is one of those listed, else
 * RESIDUA_INVALID_ARGUMENT. Thread-safe. */
RESIDUA_API residua_status residua_set_limit(const char* name, uint64_t value, residua_error* error);
RESIDUA_API residua_status residua_get_limit(const char* name, uint64_t* value, residua_error* error);
/* For hosts that decode images of their own: RESIDUA_LIMIT where `found` is more than the bound. `where` starts the
 * message. Thread-safe. */
RESIDUA_API residua_status residua_check_limit(const char* name, uint64_t found, const char* where,
                                               residua_error* error);

/* ---- Models ------------------------------------------------------------------------------------------------------ */

typedef struct residua_model residua_model;

/* How far something long has come: `done` goes from 0 to 1 within each stage. Called on the calling thread. To go on,
 * return 0; anything else ends the call with RESIDUA_CANCELLED and leaves nothing behind. `stage` is static. */
typedef int32_t (*residua_progress_callback)(void* user, const char* stage, double done);

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
   * algorithm keeps 3x3 weights at 12/9 to 36/9 of their size; under a limit the layers have it that save the most
   * multiplications for each byte. 0: no limit. */
  size_t memory_limit;
  residua_progress_callback progress; /* NULL: none. "read", "optimize" */
  void* progress_user;
  const char* sidecar; /* JSON: what FILE.json would say, in its place. NULL: FILE.json, if it is there */
} residua_load_options;

/* Loads a model file: ONNX, safetensors, a PyTorch state dict or a packed model file, told by content. A sidecar
 * FILE.json beside it (same path with ".json" added) is read when present. The file is mapped, not copied: while the
 * model lives it must stay as it is (to replace it, rename another one over it). On success *model is the caller's, to
 * be given back with residua_model_release; on failure it is NULL. Errors name file, node or tensor, what was found and
 * what was expected: RESIDUA_IO, RESIDUA_MALFORMED, RESIDUA_UNSUPPORTED, RESIDUA_MISMATCH, RESIDUA_LIMIT, and
 * RESIDUA_CANCELLED where `progress` said so. Thread-safe. */
RESIDUA_API residua_status residua_model_load(const char* path, const residua_load_options* options,
                                              residua_model** model, residua_error* error);

typedef void (*residua_release_callback)(void* user);

/* The same from memory: the bytes of a model file of any of these formats. Without `release` they are copied. With it
 * they stay where they are, and must stay as they are until `release(user)` is called: once, from any thread, when
 * nothing needs them any longer, in a call that fails before it returns. (They are copied, and released at once, where
 * they do not start at a multiple of 64 bytes.) There is no sidecar beside them and no folder for external data or
 * labels; the option `cache` is refused. Thread-safe. */
RESIDUA_API residua_status residua_model_load_memory(const void* data, size_t size, residua_release_callback release,
                                                     void* user, const residua_load_options* options,
                                                     residua_model** model, residua_error* error);

/* Puts up to `bytes` bytes in `buffer` and returns how many; 0: the end; negative: it failed, which becomes
 * RESIDUA_IO. Called on the loading thread. */
typedef int64_t (*residua_read_callback)(void* user, void* buffer, size_t bytes);

/* The same from wherever `read` gets it (a socket, an archive, an encrypted file), front to end. `size_hint`: how many
 * bytes will come, if known; 0 or a wrong number costs copies, and no progress is told while reading. Thread-safe. */
RESIDUA_API residua_status residua_model_load_stream(residua_read_callback read, void* user, size_t size_hint,
                                                     const residua_load_options* options, residua_model** model,
                                                     residua_error* error);

/* A known architecture with seeded random weights, for benchmarks and tests. *model as from residua_model_load; the
 * same seed gives the same weights. RESIDUA_INVALID_ARGUMENT for a name that residua_architectures() does not have.
 * Thread-safe. */
RESIDUA_API residua_status residua_model_create_random(const char* architecture, uint64_t seed, residua_model** model,
                                                       residua_error* error);
/* The same, with the options of a model file that have to do with running it (memory_limit). `options` NULL: defaults.
 * Thread-safe. */
RESIDUA_API residua_status residua_model_create_random_with_options(const char* architecture, uint64_t seed,
                                                                    const residua_load_options* options,
                                                                    residua_model** model, residua_error* error);

/* Gives the caller's hold on the model back; contexts that still use it and runs under way keep it alive. No other
 * thread may be in a call with this handle. NULL is fine. */
RESIDUA_API void residua_model_release(residua_model* model);

typedef enum residua_interpolation RESIDUA_ENUM_TYPE {
  RESIDUA_BILINEAR = 0,
  RESIDUA_BICUBIC = 1
} residua_interpolation;

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
  int32_t tensor_count;              /* for residua_model_get_tensor */
} residua_model_info;

/* What is known of a model. The texts live as long as it does. Thread-safe. */
RESIDUA_API residua_status residua_model_get_info(const residua_model* model, residua_model_info* info,
                                                  residua_error* error);

/* The label of a class, or NULL where there is none. Lives as long as the model. Thread-safe. */
RESIDUA_API const char* residua_model_label(const residua_model* model, int32_t index);

/* SHA-256 of the weights as the file holds them, in 64 hexadecimal digits and a zero: element type, shape and values of
 * each in the order in which the network reads them. Names do not count, so that the same weights in another format
 * have the same digest; a packed file has its own. A sidecar's "weights_sha256" is compared with it when a model is
 * loaded, and MODEL.sha256 beside the file (as sha256sum writes it) or the sidecar's "sha256" with the file itself.
 * Reads all weights. Thread-safe. */
#define RESIDUA_DIGEST_SIZE 65
RESIDUA_API residua_status residua_model_weights_digest(const residua_model* model, char digest[RESIDUA_DIGEST_SIZE],
                                                        residua_error* error);

typedef enum residua_stage RESIDUA_ENUM_TYPE {
  RESIDUA_IMPORTED = 0,  /* as the file says */
  RESIDUA_OPTIMIZED = 1, /* after the passes */
  RESIDUA_PLANNED = 2    /* placed on implementations, for the shape in the options */
} residua_stage;

typedef enum residua_text_format RESIDUA_ENUM_TYPE {
  RESIDUA_TEXT = 0,
  RESIDUA_JSON = 1,
  RESIDUA_DOT = 2
} residua_text_format;

typedef enum residua_schedule RESIDUA_ENUM_TYPE {
  RESIDUA_AUTO = 0, /* throughput where images divide evenly among threads or are at least 4 a thread, else latency */
  RESIDUA_LATENCY = 1,   /* all threads work on each step together */
  RESIDUA_THROUGHPUT = 2 /* each thread runs whole images alone, and all run groups of images together where the network
                             has become so narrow that its weights outweigh the images */
} residua_schedule;

typedef struct residua_context_options {
  size_t struct_size;
  int32_t threads; /* 0: the CPU budget, min(affinity, cgroup quota); never more than that */
  residua_schedule schedule;
  int32_t profile; /* 1: time every layer of every run, for residua_context_get_layer */
  /* 1: run each convolution in the way that is fastest on this machine. What has not been measured yet is measured when
   * a shape is planned, which takes some seconds, and kept in residua in $XDG_CACHE_HOME, else in ~/.cache. A file or
   * folder that cannot be used is a log message, never an error. The choice may differ between machines, numbers of
   * threads and batches, and so may the last bits of outputs; 0, the default, neither measures nor looks there. */
  int32_t tune;
  /* 1: run every convolution as sums of products, none by Winograd's or Strassen's algorithm, and none on tile
   * registers (AMX). These algorithms mix neighbours before they multiply, so an infinity or NaN in the input may turn
   * outputs around it into NaN that would be numbers or infinities otherwise; on tile registers outputs that read an
   * infinity are NaN. Directly, each output is what its own window makes it. Slower. */
  int32_t direct;
} residua_context_options;

/* The network as text, JSON or Graphviz. For RESIDUA_PLANNED `batch`, `height`, `width` (0: 1 and the model's own size)
 * and `context_options` say for which run; RESIDUA_MISMATCH where the network does not take such images. *text is the
 * caller's, to be given back with residua_text_free. Thread-safe. */
RESIDUA_API residua_status residua_model_describe(const residua_model* model, residua_stage stage,
                                                  residua_text_format format, int32_t batch, int32_t height,
                                                  int32_t width, const residua_context_options* context_options,
                                                  char** text, residua_error* error);
/* Gives a text back. NULL is fine. Thread-safe. */
RESIDUA_API void residua_text_free(char* text);

/* Writes a packed model file: one file with the network, what is known of its images and classes, the weights as they
 * are, and packed as the runs of these batches (`batch_count` of them, of `height` x `width`, 0: the model's own size)
 * need them with `context_options`. Loading it maps these weights, shared with every process that does. What was packed
 * by another build of the library or for another instruction set is passed over, so the file runs everywhere. `path`
 * appears whole or not at all. RESIDUA_IO: it cannot be written; RESIDUA_MISMATCH: the network does not take such
 * images. Thread-safe. */
RESIDUA_API residua_status residua_model_pack(const residua_model* model, const char* path, const int32_t* batches,
                                              size_t batch_count, int32_t height, int32_t width,
                                              const residua_context_options* context_options, residua_error* error);

/* Plans runs of these batches with these options, and packs the weights for them, so that the first such run finds it
 * done. `progress` (NULL: none; stage "plan") counts the layers of all batches. Also a way to see the progress of
 * residua_model_pack: call this first. A model keeps the last few plans only. RESIDUA_CANCELLED: `progress` said so.
 * Thread-safe; takes as long as packing. */
RESIDUA_API residua_status residua_model_prepare(const residua_model* model, const int32_t* batches, size_t batch_count,
                                                 int32_t height, int32_t width,
                                                 const residua_context_options* context_options,
                                                 residua_progress_callback progress, void* progress_user,
                                                 residua_error* error);

/* What a model and one context take, in bytes. */
typedef struct residua_memory_estimate {
  size_t struct_size;
  /* The network's weights as they are: mapped from the file, and out of memory again once packed, where the file is
   * mapped and holds them as float32 (residua_model_load); otherwise in memory as long as the model. */
  size_t weight_bytes;
  int32_t weights_are_mapped; /* 1: all of them */
  size_t packed_weight_bytes; /* shared by all contexts of the model */
  size_t context_bytes;       /* arenas and scratch memory of one context, all workers */
  size_t total_bytes;         /* packed weights, one context, and the weights where they are not mapped */
} residua_memory_estimate;

/* What runs of `batch` images of `height` x `width` (0: the model's own) with `context_options` will need: the sizes
 * are planned in full, only nothing is packed. Not counted: oneDNN's code and the small change, some MB. `batch` 0: 1.
 * Thread-safe. Takes some tenths of a second. */
RESIDUA_API residua_status residua_model_estimate_memory(const residua_model* model, int32_t batch, int32_t height,
                                                         int32_t width, const residua_context_options* context_options,
                                                         residua_memory_estimate* estimate, residua_error* error);
/* The same of a model file that is not loaded: it is opened, judged and closed again. Errors as residua_model_load.
 * Thread-safe. */
RESIDUA_API residua_status residua_estimate_memory(const char* path, const residua_load_options* load_options,
                                                   int32_t batch, int32_t height, int32_t width,
                                                   const residua_context_options* context_options,
                                                   residua_memory_estimate* estimate, residua_error* error);

/* ---- Images ------------------------------------------------------------------------------------------------------ */

/* Resizes (shorter side to `resize`, antialiased, Pillow's arithmetic), then crops the centre as torchvision does it.
 * `pixels`: RGB, 8 bits, rows `row_stride` bytes apart. `output`: [input_height, input_width, 3], dense, the caller's.
 * Thread-safe. */
RESIDUA_API residua_status residua_preprocess(const residua_model* model, const uint8_t* pixels, int32_t width,
                                              int32_t height, size_t row_stride, uint8_t* output, residua_error* error);

/* The first half of it: resizes by the model's interpolation and crops nothing. The shorter side becomes `shorter_side`
 * (0: the model's own `resize`), the longer one keeps the proportion, rounded down: residua_resized_size tells.
 * `output`: [resized_height, resized_width, 3], dense, the caller's. RESIDUA_LIMIT where a side would be longer than
 * residua_capabilities.largest_image_side. Thread-safe. */
RESIDUA_API residua_status residua_resized_size(const residua_model* model, int32_t width, int32_t height,
                                                int32_t shorter_side, int32_t* resized_width, int32_t* resized_height,
                                                residua_error* error);
RESIDUA_API residua_status residua_resize(const residua_model* model, const uint8_t* pixels, int32_t width,
                                          int32_t height, size_t row_stride, int32_t shorter_side, uint8_t* output,
                                          residua_error* error);

typedef enum residua_input_format RESIDUA_ENUM_TYPE {
  RESIDUA_FLOAT32_NCHW = 0, /* planes */
  RESIDUA_UINT8_NHWC = 1,   /* pixels of bytes, RGB 0..255 */
  RESIDUA_FLOAT32_NHWC = 2  /* pixels of floats */
} residua_input_format;

typedef enum residua_preparation RESIDUA_ENUM_TYPE {
  /* Floats are what the network was trained on. Bytes are scaled and normalised with the model's mean and deviation. */
  RESIDUA_AS_IS = 0,
  RESIDUA_NORMALIZE = 1, /* floats are RGB 0..1, normalised with the model's mean and deviation; bytes as above */
  /* Images of any sizes: resized and cropped as residua_preprocess does it (floats: by the same filter, without
   * rounding), then normalised. */
  RESIDUA_PREPARE = 2
} residua_preparation;

/* One image. Strides are bytes from the start of one row, pixel or channel to that of the next; 0: as in a dense image
 * of the format. They may be negative: `data` is where row 0, column 0, channel 0 is. (BGR bytes: data + 2 with a
 * channel_stride of -1.) */
typedef struct residua_image {
  size_t struct_size;
  const void* data;
  int32_t height;
  int32_t width;
  int64_t row_stride;
  int64_t pixel_stride;
  int64_t channel_stride;
} residua_image;

/* What many networks are tested on: the mean of the probabilities of ten crops (Krizhevsky et al., 2012). They are
 * `height` x `width` at the corners of an RGB image (top left, top right, bottom left, bottom right) and at its centre,
 * and then those of the image mirrored left to right, as torchvision's TenCrop has them. `crops` is the caller's array
 * of RESIDUA_TEN_CROPS, struct_size set in the first; they are views of `image`, for residua_input.images.
 * Thread-safe; RESIDUA_INVALID_ARGUMENT where the image is smaller. */
#define RESIDUA_TEN_CROPS 10
RESIDUA_API residua_status residua_ten_crops(residua_input_format format, const residua_image* image, int32_t height,
                                             int32_t width, residua_image* crops, residua_error* error);

/* The images of a run. The data is read during the run only. Either all have one size and lie at equal distances, from
 * `data` on, or `images` lists `batch` of them; they differ in size with RESIDUA_PREPARE only. */
typedef struct residua_input {
  size_t struct_size;
  residua_input_format format;
  const void* data;
  int32_t batch; /* images, >= 1 */
  int32_t height;
  int32_t width;
  residua_preparation preparation;
  int64_t row_stride; /* as in residua_image */
  int64_t pixel_stride;
  int64_t channel_stride;
  int64_t image_stride;        /* bytes from one image to the next; 0: no gap */
  const residua_image* images; /* when set, everything from `data` on except `batch` and `preparation` must be 0 */
} residua_input;

/* ---- Outputs ----------------------------------------------------------------------------------------------------- */

/* A run can hand out any tensor of the optimised network, by name. Optimising fuses layers; of a group of layers that
 * have become one step, the last one's tensor is there, under its name in the file (of networks that are built from
 * weights: "layer1.0.relu"). These names stand for what networks have in common, and come before the file's own:
 *
 *   "logits"         scores before any softmax        [batch, classes]
 *   "probabilities"  after softmax                    [batch, classes]
 *   "pooled"         what the last fully connected layer reads: the features of an image, 512 or 2048 of them
 *   "class_map"      scores at each place of the last features  [batch, classes, height, width]; their mean over all
 *                    places is "logits". Networks that end in a global average, as residual ones do.
 *   "C2" ... "C5"    the feature pyramid for detectors: the last map whose sides are a quarter of the image's ("C2"),
 * an eighth, 1/16, 1/32 ("C5"), of the maps that all paths lead through  [batch, channels, height, width]. In a ResNet
 * these end its four stages. Levels that a network does not have are missing.
 *
 * What no output needs is not computed: a run for "pooled" alone leaves the classifier out. */
#define RESIDUA_MAX_RANK 8

typedef struct residua_tensor_info {
  size_t struct_size;
  const char* name;
  const char* op; /* "convolution": what computes it */
  int32_t rank;
  int64_t
      shape[RESIDUA_MAX_RANK]; /* of one image: shape[0] is 1; logical order, images are [1, channels, height, width] */
  int64_t values;              /* their product: floats of one image */
} residua_tensor_info;

/* The tensors that a run of images of `height` x `width` (0: the model's own) can hand out: the well-known names first,
 * then in the order of computation. 0 <= index < residua_model_info.tensor_count. Thread-safe; takes some milliseconds.
 * RESIDUA_MISMATCH: the network does not take such images. */
RESIDUA_API residua_status residua_model_get_tensor(const residua_model* model, int32_t index, int32_t height,
                                                    int32_t width, residua_tensor_info* info, residua_error* error);
/* The one of that name; NULL or "": the network's first output, which is one of the well-known ones. RESIDUA_MISMATCH
 * where there is none; the message says when it has been fused away, and into what. Thread-safe. */
RESIDUA_API residua_status residua_model_find_tensor(const residua_model* model, const char* name, int32_t height,
                                                     int32_t width, residua_tensor_info* info, residua_error* error);

/* Where a run writes one output: float32, dense, row-major in the tensor's logical shape. The memory is the caller's.
 * Several outputs may be made of one tensor. After a failed run its contents are undefined. */
typedef struct residua_output {
  size_t struct_size;
  const char* name; /* NULL or "": the network's first output as it is */
  float* values;    /* [batch, values of an image]; with top_k: [batch, top_k], best first */
  size_t capacity;  /* floats that `values` has room for */
  int32_t top_k;    /* 0: everything */
  int32_t* indices; /* with top_k: room for [batch, top_k] class indices; ties by lower index, NaN last */
} residua_output;

/* Softmax over each row of `values` [rows, classes], written to `probabilities` (may be `values` itself). Sums in
 * double. Thread-safe. */
RESIDUA_API void residua_softmax(const float* values, size_t rows, size_t classes, float* probabilities);

/* The `count` largest of `classes` values, best first, ties by lower index, NaN last. Writes min(count, classes)
 * indices. Thread-safe. */
RESIDUA_API void residua_top_k(const float* values, size_t classes, size_t count, int32_t* indices);

/* ---- Runs -------------------------------------------------------------------------------------------------------- */

/* A way to give up runs from another thread. One may go with any number of runs. */
typedef struct residua_cancel_token residua_cancel_token;

/* *token is the caller's, to be given back with residua_cancel_token_release. Thread-safe. */
RESIDUA_API residua_status residua_cancel_token_create(residua_cancel_token** token, residua_error* error);
/* Ends the runs that go with it, also those that start later: soon, at the next step (waiting runs: within some 10 ms).
 * Thread-safe, and safe in a signal handler. */
RESIDUA_API void residua_cancel_token_cancel(residua_cancel_token* token);
/* Gives it back; runs under way keep what they need of it. No other thread may be in a call with it. NULL is fine. */
RESIDUA_API void residua_cancel_token_release(residua_cancel_token* token);

/* What a run used and took. */
typedef struct residua_run_info {
  size_t struct_size;
  int32_t threads;
  residua_schedule schedule;  /* never RESIDUA_AUTO */
  size_t arena_bytes;         /* activations: the largest arena of one image's worker, or of a group run together */
  size_t arena_lower_bound;   /* the largest set of tensors alive together, likewise */
  size_t scratch_bytes;       /* of one worker */
  int32_t workers;            /* arenas in use: 1, or one per thread in the throughput schedule */
  size_t packed_weight_bytes; /* shared by all contexts of the model */
  double gflop_per_image;     /* of direct convolution and fully connected layers: 2 per multiply-add */
  int32_t layer_count;
  int32_t images;
  /* 1: the model had no plan for this shape (images, size, threads, outputs), or no longer, and made it in this run */
  int32_t planned;
  double planning_ms;    /* making or fetching plans, packing weights for them, and getting memory: the cost of a new
                          * shape. Pages that are touched for the first time cost some more, in total_ms */
  double preparation_ms; /* resizing and cropping (RESIDUA_PREPARE) */
  double total_ms;       /* of the run, with all of the above, without queue_ms */
  double queue_ms;      /* waiting for CPUs, in residua_run for a context, and in residua_run_async for a thread, too */
  size_t context_bytes; /* that the context holds now: what its largest runs needed */
} residua_run_info;

typedef struct residua_layer_info {
  size_t struct_size;
  const char* name;
  const char* op;
  const char* implementation;
  double milliseconds; /* of the run, summed over images and averaged over workers; 0 without profile */
  double gflop;        /* of the run's whole batch */
} residua_layer_info;

/* Where the time of a run went. */
typedef struct residua_run_profile {
  size_t struct_size;
  const residua_layer_info* layers; /* in the order of computation */
  size_t layer_count;
  const char* trace; /* what residua_context_get_trace gives */
} residua_run_profile;

/* `profile`, and what it points to, lives during the call only. */
typedef void (*residua_profile_callback)(void* user, const residua_run_profile* profile);

typedef struct residua_run_options {
  size_t struct_size;
  double deadline_ms;                 /* from the call on, waiting included; 0: none. Then RESIDUA_DEADLINE */
  const residua_cancel_token* cancel; /* NULL: none. Then RESIDUA_CANCELLED. It must live until the call returns */
  residua_run_info* info;             /* NULL; or filled by a run that succeeds (struct_size set), before it returns */
  /* NULL; or times every layer of this run, which costs some per cent, and is told of them when the run has succeeded,
   * before it returns: on the calling thread, of residua_run_async on that of its own callback. */
  residua_profile_callback profile;
  void* profile_user;
} residua_run_options;

/* Runs the network on `input` and writes `output_count` outputs, at least 1. Any batch size, and any image size that
 * the network takes. `options` NULL: defaults.
 *
 * It runs on contexts that the model keeps, at most half as many again as there are CPUs in the budget, and one;
 * whoever comes when all are in use waits, first come, first served, so that memory does not grow with the number of
 * callers. The CPUs are shared with all other runs of the process: alone a run gets all of them, among others its
 * share. Equal inputs give equal bits, whatever the threads and the company.
 *
 * Deadline and cancel are looked at while waiting and between steps (some tenths of a millisecond each), not while a
 * new shape is planned. RESIDUA_MISMATCH: no tensor of an output's name, or images that the network does not take;
 * RESIDUA_CANCELLED, RESIDUA_DEADLINE. A failure has no effect on other runs or later ones. Thread-safe. */
RESIDUA_API residua_status residua_run(residua_model* model, const residua_input* input, const residua_output* outputs,
                                       size_t output_count, const residua_run_options* options, residua_error* error);

/* `error` holds status and message of the run; it lives during the call only. */
typedef void (*residua_run_callback)(void* user, const residua_error* error);

/* The same without waiting: `callback(user, error)` tells the end, exactly once if this function returns RESIDUA_OK and
 * never otherwise. The structs are copied; what they point to (image data, values, indices, the cancel token, info)
 * must live until the callback. Runs start in the order of the calls. One that is cancelled, or whose deadline passes,
 * is told of within some 10 ms, also where it waits behind long ones.
 *
 * The callback comes from a thread of the library's, of which there are as many as CPUs in the budget at most, one more
 * while runs with a deadline or a cancel token wait, and none when there is nothing to do. While it runs that thread
 * does nothing else, so let it be short; it may call anything here, but not wait for another asynchronous run.
 * Thread-safe. The library must stay loaded until the last callback has returned. */
RESIDUA_API residua_status residua_run_async(residua_model* model, const residua_input* input,
                                             const residua_output* outputs, size_t output_count,
                                             const residua_run_options* options, residua_run_callback callback,
                                             void* user, residua_error* error);

/* How residua_run and residua_run_async run this model from now on: `options` as for a context of one's own; threads
 * is the most that one run gets. profile is refused: residua_run_options.profile is for single runs. Contexts kept so
 * far are dropped. NULL: defaults. Thread-safe. */
RESIDUA_API residua_status residua_model_set_run_options(residua_model* model, const residua_context_options* options,
                                                         residua_error* error);

/* ---- Runs with a context of one's own ---------------------------------------------------------------------------- */

typedef struct residua_context residua_context;

/* A context costs no memory to speak of until its first run; then it holds the activations (the arena) of the largest
 * shape it has run. It keeps the model alive. `options` NULL: defaults. Thread-safe. */
RESIDUA_API residua_status residua_context_create(residua_model* model, const residua_context_options* options,
                                                  residua_context** context, residua_error* error);
/* Gives back the context and its memory; not during a run. NULL is fine. */
RESIDUA_API void residua_context_release(residua_context* context);

/* Runs the network on `input` and writes its first output, float32 [batch, classes], to `output` (room for
 * `output_count` floats, at least batch x classes). Any batch size, and any image size that the network takes; a shape
 * that this context has not seen is planned first. One call at a time per context. Equal inputs give equal
 * bits, whatever the threads and the schedule; another batch size may choose another algorithm and differ in the last
 * ones, and so may a tuned run. */
RESIDUA_API residua_status residua_context_run(residua_context* context, const residua_input* input, float* output,
                                               size_t output_count, residua_error* error);

/* The same for any outputs, with options (NULL: defaults). A run that was cancelled, or that failed in any other way,
 * leaves the context as good as new. One call at a time per context; it does not wait for other runs. */
RESIDUA_API residua_status residua_context_run_outputs(residua_context* context, const residua_input* input,
                                                       const residua_output* outputs, size_t output_count,
                                                       const residua_run_options* options, residua_error* error);

/* Of the last run, if it succeeded. Not during a run. */
RESIDUA_API residua_status residua_context_get_run_info(const residua_context* context, residua_run_info* info,
                                                        residua_error* error);

/* Of the last run: 0 <= index < residua_run_info.layer_count. The texts live until the context's next run. Not during a
 * run. */
RESIDUA_API residua_status residua_context_get_layer(const residua_context* context, int32_t index,
                                                     residua_layer_info* info, residua_error* error);

/* ---- What a service watches -------------------------------------------------------------------------------------- */

/* The last run of a context that profiles, layer by layer and worker by worker, as JSON for chrome://tracing and
 * Perfetto. *text is the caller's, to be given back with residua_text_free. Not during a run. */
RESIDUA_API residua_status residua_context_get_trace(const residua_context* context, char** text, residua_error* error);
/* The same into a file, which appears whole or not at all, else RESIDUA_IO. Not during a run. */
RESIDUA_API residua_status residua_context_write_trace(const residua_context* context, const char* path,
                                                       residua_error* error);

/* Sums since the model was loaded, over all its contexts and the runs of residua_run. They only grow. */
typedef struct residua_counters {
  size_t struct_size;
  uint64_t runs;   /* that succeeded */
  uint64_t images; /* of those */
  uint64_t errors; /* runs that failed or were refused, for any other reason than the next two */
  uint64_t cancelled;
  uint64_t deadlines_exceeded;
  uint64_t plans;     /* shapes planned, again where they had been dropped */
  double planning_ms; /* of all runs together, as in residua_run_info */
  double run_ms;      /* total_ms of the runs that succeeded */
  double queue_ms;    /* of all runs, of those that were given up while waiting too */
} residua_counters;

/* Thread-safe; each number is right by itself, they need not be of the same moment. */
RESIDUA_API residua_status residua_model_get_counters(const residua_model* model, residua_counters* counters,
                                                      residua_error* error);

#ifdef __cplusplus
}
#endif

#endif
