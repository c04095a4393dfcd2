// What a model takes to come next: next_token MODEL "a text to continue"
#include <base/error.h>
#include <generate/language_model.h>
#include <generate/sampler.h>
#include <generate/session.h>

#include <cmath>
#include <cstdio>
#include <string>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: next_token MODEL TEXT\n");
    return 2;
  }
  try {
    const auto model = seodang::LanguageModel::load(argv[1]);
    const auto prompt = model.encode_text(argv[2]);
    seodang::Session session(model.config(), model.weights(),
                             static_cast<int64_t>(prompt.size()));
    for (const auto& candidate :
         seodang::most_probable(session.read(prompt), 5)) {
      const std::string token(model.tokenizer().token_bytes(candidate.id));
      std::printf("%5.1f%%  %s\n", 100 * std::exp(candidate.logprob),
                  token.c_str());
    }
  } catch (const seodang::Error& error) {
    std::fprintf(stderr, "next_token: %s\n", error.what());
    return 1;
  }
}
