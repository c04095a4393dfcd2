// One function per command: adds its options and examples to the program, and
// runs it when chosen. A command throws UsageError (exit 2) or Error (exit 1).
#pragma once

namespace CLI {
class App;
}

namespace seodang {

// clang-format off
void add_weave(CLI::App& program);
void add_tokenizer(CLI::App& program);
void add_data(CLI::App& program);
void add_pretrain(CLI::App& program);
void add_instruct(CLI::App& program);
void add_finetune(CLI::App& program);
void add_prefer(CLI::App& program);
void add_raise(CLI::App& program);
void add_generate(CLI::App& program);
void add_chat(CLI::App& program);
void add_compare(CLI::App& program);
void add_serve(CLI::App& program);
void add_teach(CLI::App& program);
void add_eval(CLI::App& program);
void add_inspect(CLI::App& program);
void add_convert(CLI::App& program);
void add_manual(CLI::App& program);
// clang-format on

}  // namespace seodang
