// English nouns in a sentence: their article and their plural.
#pragma once

#include <string>
#include <string_view>

namespace seodang {

// "a" or "an", by the sound `spoken` begins with: an hour, a unit, an MP, a PC.
// Capitals without a vowel, or of up to three letters, are read letter by
// letter.
std::string_view article(std::string_view spoken);

// "cities", "boxes", "knives", "children": regular nouns by their spelling, and
// the irregular ones that are common.
std::string plural(std::string_view noun);

}  // namespace seodang
