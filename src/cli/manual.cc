// The manual page and the shells' completions, made of what --help says.
#include <fmt/core.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands.h"

namespace seodang {
namespace {

// "tokenizer train" for a command within a command; "" for the program.
struct Command {
  std::string path;
  const CLI::App* app;
};

void collect(const CLI::App& app, const std::string& path,
             std::vector<Command>& out) {
  out.push_back({path, &app});
  for (const CLI::App* inner : app.get_subcommands(nullptr))
    collect(*inner,
            path.empty() ? inner->get_name() : path + " " + inner->get_name(),
            out);
}

std::vector<Command> commands_of(const CLI::App& program) {
  std::vector<Command> out;
  collect(program, "", out);
  return out;
}

std::vector<std::string> flags_of(const CLI::App& app) {
  std::vector<std::string> out;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames())
      out.push_back("--" + name);
  return out;
}

bool takes_value(const CLI::Option& option) {
  return option.get_expected_max() > 0;
}

// "INT:INT in [0 - 9]" → "INT in [0 - 9]".
std::string value_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  return type.substr(type.find(':') + 1);
}

std::string replaced(std::string text, std::string_view from,
                     std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos;
       at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

// --- groff (man 7 man)

std::string roff(const std::string& text) {
  std::string out = replaced(replaced(text, "\\", "\\e"), "-", "\\-");
  if (out.starts_with('.') || out.starts_with('\'')) out.insert(0, "\\&");
  return out;
}

void print_options(const CLI::App& app, bool positional) {
  for (const CLI::Option* option : app.get_options()) {
    const bool is_positional = !option->nonpositional();
    if (is_positional != positional || option->get_group().empty()) continue;
    std::string head;
    if (is_positional) {
      head = fmt::format("\\fI{}\\fR", roff(option->get_name(true)));
    } else {
      for (const std::string& name : option->get_snames())
        head += fmt::format("\\fB\\-{}\\fR, ", name);
      for (const std::string& name : option->get_lnames())
        head += fmt::format("\\fB\\-\\-{}\\fR, ", roff(name));
      head.resize(head.size() - 2);
      if (takes_value(*option))
        head += fmt::format(" \\fI{}\\fR", roff(value_of(*option)));
      if (!option->get_default_str().empty())
        head += fmt::format(" (default: {})", roff(option->get_default_str()));
    }
    fmt::print(".TP\n{}\n{}\n", head, roff(option->get_description()));
  }
}

void print_footer(const CLI::App& app) {
  std::istringstream footer(app.get_footer());
  bool in_example = false;
  for (std::string line; std::getline(footer, line);) {
    const bool is_example = line.starts_with("  ");
    if (is_example != in_example)
      fmt::print("{}\n", is_example ? ".nf" : ".fi");
    in_example = is_example;
    fmt::print("{}{}\n", is_example || line.empty() ? "" : ".br\n",
               line.empty() ? ".PP" : roff(line));
  }
  if (in_example) fmt::print(".fi\n");
}

void print_man(const CLI::App& program) {
  fmt::print(
      ".TH SEODANG 1 \"\" \"seodang {}\" \"User Commands\"\n"
      ".SH NAME\nseodang \\- raises language models\n"
      ".SH SYNOPSIS\n.B seodang\n.I COMMAND\n[\\fIOPTIONS\\fR]\n"
      ".SH DESCRIPTION\n{}\n.SH OPTIONS\n",
      SEODANG_VERSION, roff(program.get_description()));
  print_options(program, false);
  fmt::print(".SH COMMANDS\n");
  for (const auto& [path, app] : commands_of(program)) {
    if (path.empty()) continue;
    fmt::print(".SS seodang {}\n{}\n", roff(path),
               roff(app->get_description()));
    print_options(*app, true);
    print_options(*app, false);
    fmt::print(".PP\n");
    print_footer(*app);
  }
  fmt::print(
      ".SH EXIT STATUS\n0: done; 1: failed; 2: used wrongly. A failure is one "
      "line that says what, where, and what to do.\n");
}

// --- Shells. Words that are no flag lead to a command; behind that, files.

// Of a "case": each word after a command's path leads to the next one's.
void print_paths(const std::vector<Command>& commands) {
  for (const auto& [path, app] : commands) {
    if (path.empty()) continue;
    const size_t space = path.rfind(' ');
    const bool is_inner = space != std::string::npos;
    fmt::print("      \"{} {}\") command_path=\"{}\" ;;\n",
               is_inner ? path.substr(0, space) : "",
               is_inner ? path.substr(space + 1) : path, path);
  }
}

void print_bash(const CLI::App& program) {
  fmt::print(
      "# bash completion of seodang: source it, or put it into\n"
      "# /usr/share/bash-completion/completions/seodang\n"
      "_seodang() {{\n"
      "  local current=${{COMP_WORDS[COMP_CWORD]}} command_path='' word\n"
      "  for word in \"${{COMP_WORDS[@]:1:COMP_CWORD-1}}\"; do\n"
      "    case \"$command_path $word\" in\n");
  const auto commands = commands_of(program);
  print_paths(commands);
  fmt::print(
      "    esac\n  done\n  local words=''\n  case \"$command_path\" in\n");
  for (const auto& [path, app] : commands) {
    std::string words;
    for (const CLI::App* inner : app->get_subcommands(nullptr))
      words += inner->get_name() + " ";
    for (const std::string& flag : flags_of(*app)) words += flag + " ";
    fmt::print("    \"{}\") words=\"{}\" ;;\n", path, words);
  }
  fmt::print(
      "  esac\n"
      "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\"\n"
      "    [[ $current == -* ]] || compgen -f -- \"$current\")\n"
      "}}\n"
      "complete -o filenames -F _seodang seodang\n");
}

std::string quoted_for_zsh(const std::string& text) {
  return replaced(replaced(text, "'", "'\\''"), ":", "\\:");
}

void print_zsh(const CLI::App& program) {
  fmt::print(
      "#compdef seodang\n"
      "# zsh completion of seodang: as _seodang in a folder of $fpath\n"
      "_seodang() {{\n"
      "  local word command_path=''\n"
      "  for word in \"${{(@)words[2,CURRENT-1]}}\"; do\n"
      "    case \"$command_path $word\" in\n");
  const auto commands = commands_of(program);
  print_paths(commands);
  fmt::print(
      "    esac\n  done\n  local -a entries\n  case \"$command_path\" in\n");
  for (const auto& [path, app] : commands) {
    fmt::print("    \"{}\") entries=(\n", path);
    for (const CLI::App* inner : app->get_subcommands(nullptr))
      fmt::print("      '{}:{}'\n", inner->get_name(),
                 quoted_for_zsh(inner->get_description()));
    for (const CLI::Option* option : app->get_options())
      for (const std::string& name : option->get_lnames())
        fmt::print("      '--{}:{}'\n", name,
                   quoted_for_zsh(option->get_description()));
    fmt::print("    ) ;;\n");
  }
  fmt::print(
      "  esac\n"
      "  _describe -t commands 'seodang' entries\n"
      "  [[ $words[CURRENT] == -* ]] || _files\n"
      "}}\n"
      "_seodang \"$@\"\n");
}

std::string quoted_for_fish(const std::string& text) {
  return "'" + replaced(replaced(text, "\\", "\\\\"), "'", "\\'") + "'";
}

void print_fish(const CLI::App& program) {
  fmt::print(
      "# fish completion of seodang: into ~/.config/fish/completions/\n");
  for (const auto& [path, app] : commands_of(program)) {
    std::string condition = "__fish_use_subcommand";
    if (!path.empty()) {
      condition.clear();
      std::istringstream words(path);
      for (std::string word; words >> word;)
        condition += (condition.empty() ? "" : "; and ") +
                     ("__fish_seen_subcommand_from " + word);
    }
    for (const CLI::App* inner : app->get_subcommands(nullptr))
      fmt::print("complete -c seodang -n '{}' -a {} -d {}\n", condition,
                 inner->get_name(), quoted_for_fish(inner->get_description()));
    for (const CLI::Option* option : app->get_options())
      for (const std::string& name : option->get_lnames())
        fmt::print("complete -c seodang{} -l {}{} -d {}\n",
                   path.empty() ? "" : " -n '" + condition + "'", name,
                   takes_value(*option) ? " -r" : "",
                   quoted_for_fish(option->get_description()));
  }
}

}  // namespace

void add_manual(CLI::App& program) {
  const auto format = std::make_shared<std::string>();
  CLI::App* command = program.add_subcommand(
      "manual", "This manual as a man page, or completions for a shell");
  command->add_option("FORMAT", *format, "man, bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"man", "bash", "zsh", "fish"}));
  command->footer(
      "Examples:\n"
      "  seodang manual man | man -l -\n"
      "  source <(seodang manual bash)\n"
      "  seodang manual fish > ~/.config/fish/completions/seodang.fish");
  command->callback([&program, format] {
    if (*format == "man") print_man(program);
    if (*format == "bash") print_bash(program);
    if (*format == "zsh") print_zsh(program);
    if (*format == "fish") print_fish(program);
  });
}

}  // namespace seodang
