#include <dlfcn.h>
#include <llvm-c/Analysis.h>
#include <llvm-c/Core.h>
#include <llvm-c/ExecutionEngine.h>
#include <llvm-c/Target.h>

#include <cstdint>

#include "others.h"

namespace {

// int64 mix(int64 a, int64 b) { return (a * b) ^ a; }
LLVMModuleRef make_module(LLVMContextRef context) {
  LLVMModuleRef module = LLVMModuleCreateWithNameInContext("host", context);
  LLVMTypeRef integer = LLVMInt64TypeInContext(context);
  LLVMTypeRef parameters[] = {integer, integer};
  LLVMValueRef function = LLVMAddFunction(module, "mix", LLVMFunctionType(integer, parameters, 2, 0));
  LLVMBuilderRef builder = LLVMCreateBuilderInContext(context);
  LLVMPositionBuilderAtEnd(builder, LLVMAppendBasicBlockInContext(context, function, "entry"));
  LLVMValueRef a = LLVMGetParam(function, 0);
  LLVMValueRef product = LLVMBuildMul(builder, a, LLVMGetParam(function, 1), "product");
  LLVMBuildRet(builder, LLVMBuildXor(builder, product, a, "mixed"));
  LLVMDisposeBuilder(builder);
  return module;
}

std::string taken(char* message) {
  const std::string text = message ? message : "";
  LLVMDisposeMessage(message);
  return text;
}

std::string compile_and_call(LLVMModuleRef module) {
  LLVMExecutionEngineRef engine = nullptr;
  char* message = nullptr;
  LLVMMCJITCompilerOptions options;
  LLVMInitializeMCJITCompilerOptions(&options, sizeof options);
  if (LLVMCreateMCJITCompilerForModule(&engine, module, &options, sizeof options, &message)) return taken(message);
  const uint64_t address = LLVMGetFunctionAddress(engine, "mix");
  std::string wrong;
  if (address == 0) {
    wrong = "no function was compiled";
  } else {
    const auto mix = reinterpret_cast<int64_t (*)(int64_t, int64_t)>(address);
    for (int64_t a = -5; a < 100; a += 7) {
      if (mix(a, 3 * a + 1) != ((a * (3 * a + 1)) ^ a)) wrong = "the compiled function's answer is wrong";
    }
  }
  LLVMDisposeExecutionEngine(engine);
  return wrong;
}

}  // namespace

std::string llvm_file() {
  Dl_info info{};
  return dladdr(reinterpret_cast<void*>(&LLVMContextCreate), &info) ? info.dli_fname : "";
}

std::string use_llvm() {
  static const bool initialised = [] {
    LLVMLinkInMCJIT();
    return LLVMInitializeNativeTarget() == 0 && LLVMInitializeNativeAsmPrinter() == 0;
  }();
  if (!initialised) return "the native target cannot be initialised";
  LLVMContextRef context = LLVMContextCreate();
  LLVMModuleRef module = make_module(context);
  char* message = nullptr;
  std::string wrong;
  if (LLVMVerifyModule(module, LLVMReturnStatusAction, &message)) wrong = message;
  LLVMDisposeMessage(message);
  const std::string text = taken(LLVMPrintModuleToString(module));
  if (text.find("%mixed = xor i64 %product, %0") == std::string::npos) wrong = "unexpected text: " + text;
  if (wrong.empty()) {
    wrong = compile_and_call(module);  // takes the module
  } else {
    LLVMDisposeModule(module);
  }
  LLVMContextDispose(context);
  return wrong;
}
