#include "graph/import/pickle_globals.h"

#include <array>

namespace residua::graph {
namespace {

using enum PickleRole;

constexpr std::array globals{
    PickleGlobal{"torch", "FloatStorage", storage, ElementType::float32},
    PickleGlobal{"torch", "HalfStorage", storage, ElementType::float16},
    PickleGlobal{"torch", "BFloat16Storage", storage, ElementType::bfloat16},
    PickleGlobal{"torch", "DoubleStorage", storage, ElementType::float64},
    PickleGlobal{"torch", "LongStorage", storage, ElementType::int64},
    PickleGlobal{"torch", "IntStorage", storage, ElementType::int32},
    PickleGlobal{"torch", "CharStorage", storage, ElementType::int8},
    PickleGlobal{"torch", "ByteStorage", storage, ElementType::uint8},
    PickleGlobal{"torch", "BoolStorage", storage, ElementType::boolean},
    PickleGlobal{"torch.cuda", "FloatStorage", storage, ElementType::float32},
    PickleGlobal{"torch.cuda", "HalfStorage", storage, ElementType::float16},
    PickleGlobal{"torch.cuda", "DoubleStorage", storage, ElementType::float64},
    PickleGlobal{"torch.cuda", "LongStorage", storage, ElementType::int64},
    PickleGlobal{"torch.cuda", "ByteStorage", storage, ElementType::uint8},
    PickleGlobal{"torch.storage", "UntypedStorage", storage, ElementType::uint8},
    PickleGlobal{"torch._utils", "_rebuild_tensor", tensor},
    PickleGlobal{"torch._utils", "_rebuild_tensor_v2", tensor},
    PickleGlobal{"torch._utils", "_rebuild_parameter", parameter},
    PickleGlobal{"torch._utils", "_rebuild_parameter_with_state", parameter},
    PickleGlobal{"collections", "OrderedDict", dictionary},
    PickleGlobal{"collections", "defaultdict", dictionary},
    PickleGlobal{"collections", "Counter", dictionary},
    // What training scripts leave beside the weights: sizes, devices, sets, command-line arguments, numpy scalars.
    PickleGlobal{"torch", "Size"},
    PickleGlobal{"torch", "device"},
    PickleGlobal{"builtins", "set"},
    PickleGlobal{"builtins", "dict"},
    PickleGlobal{"builtins", "list"},
    PickleGlobal{"builtins", "bytearray"},
    PickleGlobal{"__builtin__", "set"},
    PickleGlobal{"__builtin__", "dict"},
    PickleGlobal{"__builtin__", "list"},
    PickleGlobal{"__builtin__", "bytearray"},
    PickleGlobal{"_codecs", "encode"},
    PickleGlobal{"argparse", "Namespace"},
    PickleGlobal{"numpy", "dtype"},
    PickleGlobal{"numpy", "ndarray"},
    PickleGlobal{"numpy.core.multiarray", "scalar"},
    PickleGlobal{"numpy.core.multiarray", "_reconstruct"},
    PickleGlobal{"numpy._core.multiarray", "scalar"},
    PickleGlobal{"numpy._core.multiarray", "_reconstruct"},
    PickleGlobal{"numpy.dtypes", "Float32DType"},
    PickleGlobal{"numpy.dtypes", "Float64DType"},
};

}  // namespace

const PickleGlobal* find_pickle_global(std::string_view module, std::string_view name) {
  for (const PickleGlobal& global : globals) {
    if (global.module == module && global.name == name) return &global;
  }
  return nullptr;
}

}  // namespace residua::graph
