# What `make install` puts where: program, shared library, header, pkg-config file, CMake package, manual page, completions.
include(CMakePackageConfigHelpers)

# Made by the program itself from its table of settings.
set(generated ${PROJECT_BINARY_DIR}/generated)
add_custom_command(OUTPUT ${generated}/attune.1 ${generated}/attune.bash ${generated}/_attune
  COMMAND ${CMAKE_COMMAND} -E make_directory ${generated}
  COMMAND attune manual > ${generated}/attune.1
  COMMAND attune completions bash > ${generated}/attune.bash
  COMMAND attune completions zsh > ${generated}/_attune
  DEPENDS attune VERBATIM)
add_custom_target(attune_documents ALL DEPENDS ${generated}/attune.1)

install(TARGETS attune RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
set_target_properties(attune_shared PROPERTIES EXPORT_NAME attune)
target_include_directories(attune_shared INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
install(TARGETS attune_shared EXPORT attuneTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES include/attune.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT attuneTargets NAMESPACE attune:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/attune)
configure_package_config_file(cmake/attuneConfig.cmake.in ${generated}/attuneConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/attune)
write_basic_package_version_file(${generated}/attuneConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${generated}/attuneConfig.cmake ${generated}/attuneConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/attune)
install(FILES ${generated}/attune.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${generated}/attune.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME attune)
install(FILES ${generated}/_attune DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
# The prefix is known when installing, not before: `make install PREFIX=...` decides it.
install(CODE "set(PROJECT_VERSION ${PROJECT_VERSION})
  set(CMAKE_INSTALL_LIBDIR ${CMAKE_INSTALL_LIBDIR})
  set(CMAKE_INSTALL_INCLUDEDIR ${CMAKE_INSTALL_INCLUDEDIR})
  configure_file(${PROJECT_SOURCE_DIR}/cmake/attune.pc.in ${generated}/attune.pc @ONLY)")
install(FILES ${generated}/attune.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
