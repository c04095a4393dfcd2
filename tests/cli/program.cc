#include "cli/program.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>

#include "base/error.h"
#include "base/files.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

void redirect(const fs::path& file, int to) {
  const int flags =
      to == STDIN_FILENO ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC;
  const int from = ::open(file.c_str(), flags, 0644);
  ::dup2(from, to);
  ::close(from);
}

fs::path output_of(const fs::path& directory, const char* which) {
  return directory / (std::string(".") + which);
}

std::string test_name() {
  const auto* info = testing::UnitTest::GetInstance()->current_test_info();
  return std::string(info->test_suite_name()) + "_" + info->name();
}

}  // namespace

Program::Program(fs::path directory, std::vector<std::string> arguments,
                 uint64_t largest_file, const fs::path& input, Mpirun mpirun)
    : directory_(std::move(directory)) {
  std::string program = SEODANG_PROGRAM;
  arguments.insert(arguments.begin(), program);
  if (mpirun.ranks > 0) {
    // However many cores there are.
    const std::string with =
        mpirun.hosts ? SEODANG_SOURCE_DIR "/bench/hosts.sh {} full"
                     : "mpirun --oversubscribe --bind-to none -n {}";
    const auto launch = words(fmt::format(fmt::runtime(with), mpirun.ranks));
    program = launch[0];
    arguments.insert(arguments.begin(), launch.begin(), launch.end());
  }
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const fs::path out = output_of(directory_, "out");
  const fs::path err = output_of(directory_, "err");
  pid_ = ::fork();
  if (pid_ != 0) return;
  redirect(input, STDIN_FILENO);
  redirect(out, STDOUT_FILENO);
  redirect(err, STDERR_FILENO);
  if (::chdir(directory_.c_str()) != 0) ::_exit(126);
  if (largest_file > 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{largest_file, largest_file};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  if (mpirun.ranks > 0) {
    // Of its own: two that are made at once get in each other's way.
    const fs::path scratch = output_of(directory_, "mpirun");
    ::mkdir(scratch.c_str(), 0700);
    ::setenv("TMPDIR", scratch.c_str(), 1);
    // Tests run in containers, as root; MPI does not free everything.
    ::setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
    ::setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
    ::setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
  }
  ::execvp(program.c_str(), argv.data());
  ::_exit(127);
}

Program::~Program() {
  if (done_) return;
  send(SIGKILL);
  ::waitpid(pid_, &status_, 0);
}

bool Program::running() {
  if (!done_) done_ = ::waitpid(pid_, &status_, WNOHANG) == pid_;
  return !done_;
}

void Program::send(int signal) const { ::kill(pid_, signal); }

std::vector<pid_t> Program::children() const {
  std::vector<pid_t> out;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "stat");
    std::string pid, name, state;
    pid_t parent = 0;
    if (file >> pid >> name >> state >> parent && parent == pid_)
      out.push_back(std::stoi(pid));
  }
  std::ranges::sort(out);
  return out;
}

Outcome Program::wait() {
  if (!done_) ::waitpid(pid_, &status_, 0);
  done_ = true;
  Outcome outcome;
  if (WIFEXITED(status_)) outcome.exit_code = WEXITSTATUS(status_);
  if (WIFSIGNALED(status_)) outcome.signal = WTERMSIG(status_);
  outcome.out = read_file(output_of(directory_, "out"));
  outcome.err = read_file(output_of(directory_, "err"));
  return outcome;
}

Outcome run(const fs::path& directory, std::vector<std::string> arguments,
            uint64_t largest_file) {
  return Program(directory, std::move(arguments), largest_file).wait();
}

Outcome run(const fs::path& directory, Mpirun mpirun,
            std::vector<std::string> arguments) {
  return Program(directory, std::move(arguments), 0, "/dev/null", mpirun)
      .wait();
}

Outcome run_on(const fs::path& directory, std::string_view input,
               std::vector<std::string> arguments) {
  const fs::path file = output_of(directory, "in");
  write_file(file, input);
  return Program(directory, std::move(arguments), 0, file).wait();
}

std::vector<std::string> words(std::string_view line) {
  std::vector<std::string> out;
  while (!line.empty()) {
    const size_t end = std::min(line.find(' '), line.size());
    out.emplace_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return out;
}

void expect_complaint(const Outcome& outcome, int exit_code,
                      std::string_view part) {
  EXPECT_EQ(outcome.exit_code, exit_code) << "signal " << outcome.signal << "\n"
                                          << outcome.out << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(std::ranges::count(outcome.err, '\n'), 1) << outcome.err;
  EXPECT_TRUE(outcome.err.ends_with('\n')) << outcome.err;
  EXPECT_NE(outcome.err.find(part), std::string::npos)
      << "no \"" << part << "\" in: " << outcome.err;
}

ScratchTest::ScratchTest()
    : dir_(fs::temp_directory_path() /
           fmt::format("seodang-{}-{}", test_name(), ::getpid())) {
  fs::create_directories(dir_);
}

ScratchTest::~ScratchTest() {
  std::error_code ignored;
  fs::remove_all(dir_, ignored);
}

void ScratchTest::write(const std::string& name, std::string_view text) const {
  fs::create_directories((dir_ / name).parent_path());
  write_file(dir_ / name, text);
}

std::string ScratchTest::read(const std::string& name) const {
  return read_file(dir_ / name);
}

std::vector<std::string> ScratchTest::names() const {
  std::vector<std::string> out;
  for (const auto& entry : fs::recursive_directory_iterator(dir_)) {
    const std::string name = fs::relative(entry.path(), dir_).string();
    if (name != ".out" && name != ".err" && name != ".in") out.push_back(name);
  }
  std::ranges::sort(out);
  return out;
}

}  // namespace seodang
