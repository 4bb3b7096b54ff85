// The libraries that a host program brings along and that libaltrt must live beside.
#pragma once

#include <string>

// Makes a module, checks its text, compiles it and calls it, all with the host's own LLVM through its C interface.
// Empty, or what went wrong.
std::string use_llvm();
// The file that the host's LLVM comes from.
std::string llvm_file();

// Reads an ONNX model with libonnx's protobuf messages, has libonnx check it and writes it anew. Throws std::exception.
std::string through_protobuf(const std::string& model);
