# The installed tree can be moved: every path in it is relative to its own place.
if(TARGET altrt)
  include(CMakePackageConfigHelpers)
  set(ALTRT_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/altrt)
  install(TARGETS altrt EXPORT altrt-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(DIRECTORY include/altrt DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
  install(EXPORT altrt-targets FILE altrtTargets.cmake NAMESPACE altrt:: DESTINATION ${ALTRT_CMAKE_DIR})
  configure_package_config_file(third_party/cmake/altrtConfig.cmake.in ${PROJECT_BINARY_DIR}/altrtConfig.cmake
                                INSTALL_DESTINATION ${ALTRT_CMAKE_DIR})
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/altrtConfigVersion.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/altrtConfig.cmake ${PROJECT_BINARY_DIR}/altrtConfigVersion.cmake
          DESTINATION ${ALTRT_CMAKE_DIR})

  cmake_path(SET pkgconfig_dir NORMALIZE ${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/pkgconfig)
  cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY ${pkgconfig_dir} OUTPUT_VARIABLE ALTRT_PC_PREFIX)
  configure_file(third_party/cmake/altrt.pc.in ${PROJECT_BINARY_DIR}/altrt.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/altrt.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()
