// Does an object hold only instructions that the target has? The disassembler decodes every extension, so each kind of
// instruction found is printed and assembled again for the target's features: the assembler knows what each one
// requires.
#include <altrt/error.h>

#include <llvm/MC/MCAsmInfo.h>
#include <llvm/MC/MCContext.h>
#include <llvm/MC/MCDisassembler/MCDisassembler.h>
#include <llvm/MC/MCInst.h>
#include <llvm/MC/MCInstPrinter.h>
#include <llvm/MC/MCInstrInfo.h>
#include <llvm/MC/MCObjectFileInfo.h>
#include <llvm/MC/MCParser/MCAsmParser.h>
#include <llvm/MC/MCParser/MCTargetAsmParser.h>
#include <llvm/MC/MCRegisterInfo.h>
#include <llvm/MC/MCStreamer.h>
#include <llvm/MC/MCSubtargetInfo.h>
#include <llvm/MC/MCTargetOptions.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Object/ObjectFile.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Support/SourceMgr.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>

#include <map>
#include <mutex>
#include <set>

#include "jit/cpu/cpu.h"
#include "jit/cpu/pipeline.h"

namespace altrt::jit::cpu {
namespace {

/// The machine-code layer's description of one target.
class Machine {
 public:
  explicit Machine(const Target& target) : triple_(target.triple) {
    initialize_code_generation();
    static std::once_flag once;
    std::call_once(once, [] {
      LLVMInitializeX86Disassembler();
      LLVMInitializeX86AsmParser();
#if defined(__aarch64__)
      LLVMInitializeAArch64Disassembler();
      LLVMInitializeAArch64AsmParser();
#endif
    });
    std::string message;
    target_ = llvm::TargetRegistry::lookupTarget(target.triple, message);
    if (!target_) throw Error(ErrorCode::unsupported, "no disassembler for " + target.triple + ": " + message);
    registers_.reset(target_->createMCRegInfo(target.triple));
    info_.reset(target_->createMCAsmInfo(*registers_, target.triple, options_));
    instructions_.reset(target_->createMCInstrInfo());
    subtarget_.reset(target_->createMCSubtargetInfo(target.triple, "generic", target.features));
    context_ = std::make_unique<llvm::MCContext>(triple_, info_.get(), registers_.get(), subtarget_.get());
    disassembler_.reset(target_->createMCDisassembler(*subtarget_, *context_));
    printer_.reset(target_->createMCInstPrinter(triple_, 0, *info_, *instructions_, *registers_));
    if (!disassembler_ || !printer_) throw Error(ErrorCode::unsupported, "no disassembler for " + target.triple);
    wide_encodings_ = target.features.find("+avx512f") != std::string::npos;
  }

  /// Adds each kind of instruction in the code to `texts`, by opcode; what can't be decoded or uses a prefix that the
  /// target lacks goes to `refused`.
  void collect(llvm::ArrayRef<uint8_t> code, std::map<unsigned, std::string>* texts, std::set<std::string>* refused) {
    for (uint64_t at = 0; at < code.size();) {
      llvm::MCInst instruction;
      uint64_t size = 0;
      const auto bytes = code.slice(at);
      if (disassembler_->getInstruction(instruction, size, bytes, at, llvm::nulls()) != llvm::MCDisassembler::Success) {
        refused->insert("undecodable bytes at offset " + std::to_string(at));
        at += std::max<uint64_t>(size, 1);
        continue;
      }
      std::string text;
      llvm::raw_string_ostream stream(text);
      printer_->printInst(&instruction, 0, "", *subtarget_, stream);
      // 0x62 opens only the prefix that came with AVX-512; the text alone does not tell it from the older encoding.
      if (triple_.isX86() && bytes[0] == 0x62 && !wide_encodings_) refused->insert(stream.str());
      texts->try_emplace(instruction.getOpcode(), stream.str());
      at += size;
    }
  }

  /// The texts that the assembler refuses for this target.
  void assemble(const std::map<unsigned, std::string>& texts, std::set<std::string>* refused) {
    std::vector<std::string> lines;
    std::string source;
    for (const auto& [opcode, text] : texts) {
      lines.push_back(text);
      source += text + "\n";
    }
    llvm::SourceMgr sources;
    sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBuffer(source), llvm::SMLoc());
    struct Refusals {
      const std::vector<std::string>& lines;
      std::set<std::string>* refused;
    } refusals{lines, refused};
    auto handler = [](const llvm::SMDiagnostic& d, void* context) {
      auto* r = static_cast<Refusals*>(context);
      if (d.getKind() != llvm::SourceMgr::DK_Error) return;
      const size_t line = static_cast<size_t>(d.getLineNo()) - 1;
      r->refused->insert((line < r->lines.size() ? r->lines[line] : "?") + " (" + d.getMessage().str() + ")");
    };
    sources.setDiagHandler(handler, &refusals);
    llvm::MCContext context(triple_, info_.get(), registers_.get(), subtarget_.get(), &sources, &options_);
    std::unique_ptr<llvm::MCObjectFileInfo> files(target_->createMCObjectFileInfo(context, /*PIC=*/true));
    context.setObjectFileInfo(files.get());
    std::unique_ptr<llvm::MCStreamer> streamer(target_->createNullStreamer(context));
    std::unique_ptr<llvm::MCAsmParser> parser(llvm::createMCAsmParser(sources, context, *streamer, *info_));
    std::unique_ptr<llvm::MCTargetAsmParser> assembler(
        target_->createMCAsmParser(*subtarget_, *parser, *instructions_, options_));
    if (!assembler) throw Error(ErrorCode::unsupported, "no assembler for " + triple_.str());
    parser->setTargetParser(*assembler);
    parser->Run(/*NoInitialTextSection=*/false);
  }

 private:
  llvm::Triple triple_;
  const llvm::Target* target_ = nullptr;
  llvm::MCTargetOptions options_;
  std::unique_ptr<llvm::MCRegisterInfo> registers_;
  std::unique_ptr<llvm::MCAsmInfo> info_;
  std::unique_ptr<llvm::MCInstrInfo> instructions_;
  std::unique_ptr<llvm::MCSubtargetInfo> subtarget_;
  std::unique_ptr<llvm::MCContext> context_;
  std::unique_ptr<llvm::MCDisassembler> disassembler_;
  std::unique_ptr<llvm::MCInstPrinter> printer_;
  bool wide_encodings_ = false;
};

}  // namespace

std::vector<std::string> audit(const KernelObject& object, const Target& target) {
  Machine machine(target);
  const llvm::StringRef bytes(reinterpret_cast<const char*>(object.bytes.data()), object.bytes.size());
  auto file = llvm::object::ObjectFile::createObjectFile(llvm::MemoryBufferRef(bytes, object.name));
  if (!file) throw Error(ErrorCode::internal, object.name + ": " + llvm::toString(file.takeError()));
  std::map<unsigned, std::string> texts;
  std::set<std::string> refused;
  for (const llvm::object::SectionRef& section : (*file)->sections()) {
    if (!section.isText()) continue;
    auto contents = section.getContents();
    if (!contents) throw Error(ErrorCode::internal, object.name + ": " + llvm::toString(contents.takeError()));
    machine.collect({contents->bytes_begin(), contents->bytes_end()}, &texts, &refused);
  }
  machine.assemble(texts, &refused);
  std::vector<std::string> findings;
  for (const std::string& text : refused) findings.push_back(object.name + ": " + text);
  return findings;
}

}  // namespace altrt::jit::cpu
