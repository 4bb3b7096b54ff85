# altrt_module(NAME SOURCES file... [DEPS target...])
# The static library of one folder. NAME is altrt_ and the folder's path with underscores (jit/expr: altrt_jit_expr).
# Whoever links it gets the include paths: "jit/expr/expr.h" from the repository's root, <altrt/x.h> from include.
function(altrt_module name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS")
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_SOURCES)
    message(FATAL_ERROR "altrt_module(${name}): expected SOURCES and DEPS, got '${ARGN}'")
  endif()
  add_library(${name} STATIC ${arg_SOURCES})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
  target_link_libraries(${name} PUBLIC ${arg_DEPS})
  set_property(GLOBAL APPEND PROPERTY ALTRT_MODULES ${name})
endfunction()

# The shared library: every object of every module (so that nothing of the public interface is dropped), and the
# modules once more for the libraries behind them. exports.map decides which symbols can be seen.
function(altrt_shared_library)
  get_property(modules GLOBAL PROPERTY ALTRT_MODULES)
  if(NOT modules)
    return()
  endif()
  add_library(altrt SHARED)
  add_library(altrt::altrt ALIAS altrt)
  foreach(module IN LISTS modules)
    target_sources(altrt PRIVATE $<TARGET_OBJECTS:${module}>)
  endforeach()
  target_link_libraries(altrt PRIVATE ${modules})
  target_include_directories(altrt PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                          $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_features(altrt PUBLIC cxx_std_20)
  target_link_options(altrt PRIVATE -Wl,--exclude-libs,ALL -Wl,--gc-sections
                                    -Wl,--version-script=${PROJECT_SOURCE_DIR}/third_party/cmake/exports.map)
  if(NOT ALTRT_SANITIZE) # the sanitizers' symbols come with the program
    target_link_options(altrt PRIVATE -Wl,--no-undefined)
  endif()
  set_target_properties(altrt PROPERTIES
    LINKER_LANGUAGE CXX
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}
    LINK_DEPENDS ${PROJECT_SOURCE_DIR}/third_party/cmake/exports.map)
endfunction()
