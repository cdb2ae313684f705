# libraries in folders of their own (Spack, modules) are found without LD_LIBRARY_PATH
set_target_properties(temper PROPERTIES INSTALL_RPATH_USE_LINK_PATH ${TEMPER_INSTALL_RPATH})
install(TARGETS temper RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY hdf5_schemas jobs slurm DESTINATION ${CMAKE_INSTALL_DATADIR}/temper)
install(FILES README.md LICENSE CITATION.cff SECURITY.md CHANGELOG.md
        DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES packaging/copyright DESTINATION ${CMAKE_INSTALL_DOCDIR})

# Man pages and completion are the option table in other clothes: the program writes them itself.
set(manual ${CMAKE_BINARY_DIR}/generated/man)
set(completion ${CMAKE_BINARY_DIR}/generated/temper.bash)
if(CMAKE_CROSSCOMPILING)
  message(STATUS "Cross-compiling: man pages and completion are not generated.")
else()
  install(CODE "
    file(MAKE_DIRECTORY ${manual})
    execute_process(COMMAND $<TARGET_FILE:temper> help --man ${manual} COMMAND_ERROR_IS_FATAL ANY)
    execute_process(COMMAND $<TARGET_FILE:temper> help --completion OUTPUT_FILE ${completion}
                    COMMAND_ERROR_IS_FATAL ANY)")
  install(DIRECTORY ${manual}/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES ${completion} RENAME temper
          DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
endif()

# Module files, for `module use PREFIX/share/temper/modulefiles`; /usr needs none. They name the
# prefix, which is known when it is installed.
set(prefix "@CMAKE_INSTALL_PREFIX@")
set(modules ${CMAKE_BINARY_DIR}/generated/modulefiles)
list(JOIN MPI_C_LIBRARIES " " module_mpi)
list(JOIN HDF5_LIBRARIES " " module_hdf5)
list(JOIN BLAS_LIBRARIES " " module_blas)
set(suffix_temper "")
set(suffix_temper.lua .lua)
foreach(name temper temper.lua)
  configure_file(packaging/modulefiles/${name}.in ${modules}/${name}.in @ONLY)
  install(CODE "
    if(NOT CMAKE_INSTALL_PREFIX STREQUAL \"/usr\")
      set(file ${modules}/temper/${PROJECT_VERSION}${suffix_${name}})
      configure_file(${modules}/${name}.in \${file} @ONLY)
      file(INSTALL \${file} DESTINATION
           \${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DATADIR}/temper/modulefiles/temper)
    endif()")
endforeach()
