# The libraries we use (why, which version, which licence: README.md here). Targets made here:
#   altrt_llvm           LLVM's static archives for x86-64 code generation and JIT linking (jit/cpu only)
#   altrt_llvm_aarch64   the AArch64 back end, for tests that assemble for NEON
#   altrt_xxhash         header-only xxHash
#   altrt_protozero      header-only protobuf wire format
#   altrt_flatbuffers    flatbuffers, and the variable ALTRT_FLATC (compiler)
#   altrt_dnnl           oneDNN, only where found and wanted (the plug-in)
find_package(Threads REQUIRED)

function(altrt_header_library name header)
  find_path(${name}_INCLUDE_DIR ${header})
  if(NOT ${name}_INCLUDE_DIR)
    message(FATAL_ERROR "${header} not found; run: sh third_party/install.sh")
  endif()
  add_library(${name} INTERFACE)
  target_include_directories(${name} SYSTEM INTERFACE ${${name}_INCLUDE_DIR})
endfunction()

altrt_header_library(altrt_xxhash xxhash.h)
target_compile_definitions(altrt_xxhash INTERFACE XXH_INLINE_ALL)
altrt_header_library(altrt_protozero protozero/pbf_reader.hpp)
altrt_header_library(altrt_flatbuffers flatbuffers/flatbuffers.h)
find_program(ALTRT_FLATC flatc)

# LLVM's own version check takes only an exact major.minor, so look into each version's folder. LLVM_ROOT, where given,
# is tried first.
if(NOT LLVM_DIR)
  foreach(version IN ITEMS 19 20 18 17 16)
    find_package(LLVM QUIET CONFIG PATHS ${LLVM_ROOT} /usr/lib/llvm-${version} NO_DEFAULT_PATH)
    if(LLVM_FOUND)
      break()
    endif()
  endforeach()
endif()
find_package(LLVM QUIET CONFIG)
if(NOT LLVM_FOUND OR LLVM_VERSION_MAJOR LESS 16 OR LLVM_VERSION_MAJOR GREATER 20)
  message(FATAL_ERROR "LLVM 16 to 20 not found (found: '${LLVM_VERSION}'); run: sh third_party/install.sh")
endif()
message(STATUS "LLVM ${LLVM_PACKAGE_VERSION} in ${LLVM_DIR}")

function(altrt_llvm_library name)
  llvm_map_components_to_libnames(libraries ${ARGN})
  separate_arguments(definitions NATIVE_COMMAND "${LLVM_DEFINITIONS}")
  add_library(${name} INTERFACE)
  target_include_directories(${name} SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS})
  target_compile_definitions(${name} INTERFACE ${definitions})
  target_link_libraries(${name} INTERFACE ${libraries})
endfunction()
altrt_llvm_library(altrt_llvm core bitreader bitwriter analysis scalaropts target codegen jitlink object mc mcparser mcdisassembler
                   support x86codegen x86asmparser x86desc x86disassembler x86info)
altrt_llvm_library(altrt_llvm_aarch64 aarch64codegen aarch64asmparser aarch64desc aarch64disassembler aarch64info)

# Debian's dnnl-config.cmake insists on OpenCL's headers, which the plug-in does not need: look for the library itself.
if(NOT ALTRT_ONEDNN STREQUAL "OFF")
  find_path(ALTRT_DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.hpp)
  find_library(ALTRT_DNNL_LIBRARY dnnl)
  if(ALTRT_DNNL_INCLUDE_DIR AND ALTRT_DNNL_LIBRARY)
    add_library(altrt_dnnl INTERFACE)
    target_include_directories(altrt_dnnl SYSTEM INTERFACE ${ALTRT_DNNL_INCLUDE_DIR})
    target_link_libraries(altrt_dnnl INTERFACE ${ALTRT_DNNL_LIBRARY})
  elseif(ALTRT_ONEDNN STREQUAL "ON")
    message(FATAL_ERROR "ALTRT_ONEDNN=ON but oneDNN was not found; run: sh third_party/install.sh")
  endif()
endif()
