#include "data/documents.h"

#include <zlib.h>
#include <zstd.h>

#include "base/utf8.h"
#include "data/data_test.h"
#include "data/lines.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

std::string gzip(const std::string& text) {
  z_stream stream = {};
  deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()), 0);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), 0);
  out.resize(
      ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

const CorpusFormat kRefuse = {.invalid_utf8 = "refuse"};

std::vector<Document> read_all(const std::vector<fs::path>& files,
                               const CorpusFormat& format = {}) {
  DocumentReader reader(files, format);
  std::vector<Document> out;
  for (Document one; reader.next(one);) out.push_back(one);
  return out;
}

std::vector<Document> read_text(const std::string& name,
                                const std::string& bytes,
                                const CorpusFormat& format = {}) {
  const fs::path file = scratch() / name;
  write_test_file(file, bytes);
  return read_all({file}, format);
}

std::string read_error(const std::string& name, const std::string& bytes,
                       const CorpusFormat& format = {}) {
  return error_of([&] { read_text(name, bytes, format); });
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Text that does not compress to nothing, longer than every buffer.
std::string long_text(size_t bytes) {
  std::string out;
  for (uint64_t i = 0; out.size() < bytes; ++i)
    out += "줄 " + std::to_string(i * i * 2654435761u) +
           (i % 9 == 0 ? "\n\n" : "\n");
  return out;
}

TEST(LineReader, GivesLinesWhateverTheirEnd) {
  const fs::path file = scratch() / "a.txt";
  write_test_file(file, "\xEF\xBB\xBF하나\r\n\nthree\nfour");
  LineReader lines(file, 100);
  std::string line;
  for (const std::string expected : {"하나", "", "three", "four"}) {
    ASSERT_TRUE(lines.next(line));
    EXPECT_EQ(line, expected);
    EXPECT_TRUE(lines.complete());
  }
  EXPECT_EQ(lines.number(), 4u);
  EXPECT_FALSE(lines.next(line));
}

TEST(LineReader, GivesLongLinesInPieces) {
  const fs::path file = scratch() / "a.txt";
  write_test_file(file, "abcdefgh\nabcd\nabcde");
  LineReader lines(file, 4);
  std::string line;
  struct Piece {
    const char* text;
    uint64_t number;
    bool complete;
  };
  for (const Piece& expected :
       {Piece{"abcd", 1, false}, Piece{"efgh", 1, true}, Piece{"abcd", 2, true},
        Piece{"abcd", 3, false}, Piece{"e", 3, true}}) {
    ASSERT_TRUE(lines.next(line));
    EXPECT_EQ(line, expected.text);
    EXPECT_EQ(lines.number(), expected.number);
    EXPECT_EQ(lines.complete(), expected.complete);
  }
  EXPECT_FALSE(lines.next(line));
}

TEST(DocumentReader, ReadsJsonLines) {
  const auto documents = read_text(
      "a.jsonl",
      "{\"text\": \"\\uc11c\\uc6b8\\n둘\", \"url\": 1}\n\n{\"text\":\"\"}\n");
  ASSERT_EQ(documents.size(), 2u);
  EXPECT_EQ(documents[0].text, "서울\n둘");
  EXPECT_EQ(documents[1].text, "");
  EXPECT_EQ(documents[1].line, 3u);
  EXPECT_TRUE(documents[1].source.ends_with("a.jsonl"));
}

TEST(DocumentReader, AnArrayIsAFileOfThem) {
  const auto documents = read_text(
      "a.json", "[\n {\"text\": \"one\"},\n {\n\"text\": \"two\"}\n]\n");
  ASSERT_EQ(documents.size(), 2u);
  EXPECT_EQ(documents[1].text, "two");
  EXPECT_EQ(documents[1].line, 3u);
}

TEST(DocumentReader, PartsTextAtItsMark) {
  const auto documents =
      read_text("a.txt", "one\ntwo\n<|endoftext|>\nthree\n<|endoftext|>\n");
  ASSERT_EQ(documents.size(), 2u);
  EXPECT_EQ(documents[0].text, "one\ntwo\n");
  EXPECT_EQ(documents[1].text, "three\n");
  EXPECT_EQ(documents[1].line, 4u);
}

TEST(DocumentReader, CutsLongTextAtEmptyLines) {
  const std::string text = long_text(1 << 20);
  std::string joined;
  const auto documents = read_text("a.txt", text);
  EXPECT_GT(documents.size(), 10u);
  for (const Document& document : documents) {
    EXPECT_LT(document.text.size(), 2 * kTextDocumentBytes);
    EXPECT_TRUE(&document == &documents.back() ||
                document.text.ends_with("\n\n"));
    joined += document.text;
  }
  EXPECT_EQ(joined, text);
}

TEST(DocumentReader, CutsALineOf100MegabytesBetweenCharacters) {
  // Words of several bytes a letter, without any space in the second half.
  std::string text;
  while (text.size() < (50u << 20)) text += "가나다라마바사 ";
  while (text.size() < (100u << 20)) text += "가나다라마바사";
  text += '\n';
  const fs::path file = scratch() / "a.txt";
  write_test_file(file, text);
  DocumentReader reader({file}, kRefuse);
  Document document;
  size_t at = 0;
  bool same = true;
  while (reader.next(document)) {
    ASSERT_LE(document.text.size(), 2 * kTextDocumentBytes);
    ASSERT_EQ(find_invalid_utf8(document.text), std::string::npos);
    same &= text.compare(at, document.text.size(), document.text) == 0;
    at += document.text.size();
  }
  EXPECT_TRUE(same);
  EXPECT_EQ(at, text.size());
  scratch();  // empties it
}

TEST(DocumentReader, RefusesAJsonLineOf100Megabytes) {
  const std::string text =
      "{\"text\": \"" + std::string(100 << 20, 'x') + "\"}\n";
  EXPECT_TRUE(contains(read_error("a.jsonl", "{\"text\": \"\"}\n" + text),
                       "a.jsonl:2: more than 16 MB"));
  scratch();  // empties it
}

TEST(DocumentReader, ReadsCompressedFiles) {
  const std::string text = long_text(3 << 20);
  for (const auto& [name, bytes] :
       {std::pair{"a.txt.gz", gzip(text)}, {"a.txt.zst", zstd(text)}}) {
    std::string joined;
    for (const Document& document : read_text(name, bytes))
      joined += document.text;
    EXPECT_TRUE(joined == text) << name;
  }
  // Several members one behind another, as `cat a.gz b.gz` makes them.
  const std::string a = "{\"text\":\"a\"}\n", b = "{\"text\":\"b\"}\n";
  EXPECT_EQ(read_text("a.jsonl.gz", gzip(a) + gzip(b)).size(), 2u);
  EXPECT_EQ(read_text("a.jsonl.zst", zstd(a) + zstd(b)).size(), 2u);
  EXPECT_EQ(read_text("a.jsonl.gz", gzip("")).size(), 0u);
}

TEST(DocumentReader, ReadsWhatTheSystemsToolsCompress) {
  const fs::path dir = scratch();
  const std::string text = long_text(1 << 20);
  write_test_file(dir / "a.txt", text);
  const std::string make =
      "cd '" + dir.string() + "' && gzip -k a.txt && zstd -q -k a.txt";
  if (std::system(make.c_str()) != 0) GTEST_SKIP() << "no gzip or zstd here";
  for (const char* name : {"a.txt.gz", "a.txt.zst"}) {
    std::string joined;
    for (const Document& document : read_all({dir / name}))
      joined += document.text;
    EXPECT_TRUE(joined == text) << name;
  }
}

TEST(DocumentReader, SaysWhenACompressedFileEndsTooEarly) {
  const std::string text = long_text(1 << 20);
  for (const auto& [name, bytes] :
       {std::pair{"a.txt.gz", gzip(text)}, {"a.txt.zst", zstd(text)}})
    for (const size_t size : {size_t{0}, size_t{1}, size_t{7}, bytes.size() / 2,
                              bytes.size() - 1}) {
      const std::string error = read_error(name, bytes.substr(0, size));
      EXPECT_TRUE(contains(error, name) && contains(error, "too early"))
          << name << " of " << size << " bytes: " << error;
    }
}

TEST(DocumentReader, SaysWhenACompressedFileIsDamaged) {
  EXPECT_TRUE(contains(read_error("a.txt.gz", "plain text, longer than a head"),
                       "not a gzip file"));
  EXPECT_TRUE(
      contains(read_error("a.txt.zst", "plain text"), "not a zstd file"));
  std::string bytes = gzip(long_text(1 << 18));
  for (size_t i = bytes.size() / 2; i < bytes.size() / 2 + 8; ++i) bytes[i] = 0;
  EXPECT_NE(read_error("a.txt.gz", bytes), "");
  EXPECT_NE(read_error("a.txt.gz", gzip("a") + "trailing rubbish"), "");
}

TEST(DocumentReader, NamesFileAndLineOfBadInput) {
  const std::string good = "{\"text\": \"a\"}\n";
  const struct {
    const char* name;
    std::string bytes;
    const char* message;
  } kCases[] = {
      {"a.jsonl", good + "{\"text\": \"b\"\n", "a.jsonl:2: broken JSON"},
      {"a.jsonl", good + "{\"text\": \"b\"} {}\n", "a.jsonl:2: broken JSON"},
      {"a.jsonl", good + "{\"content\": \"b\"}\n",
       "a.jsonl:2: missing key \"text\""},
      {"a.jsonl", good + "{\"text\": [1]}\n",
       "a.jsonl:2: \"text\" must be a string"},
      {"a.jsonl", good + "[\"text\"]\n", "a.jsonl:2: each line must be"},
      {"a.jsonl", good + "7\n", "a.jsonl:2: each line must be"},
      {"a.jsonl", good + std::string(5000, '[') + "\n", "a.jsonl:2: broken"},
      {"a.jsonl", good + std::string("\x89PNG\0\n", 6),
       "a.jsonl:2: a NUL byte"},
      {"a.txt", std::string("a\nb\nc\0d\n", 8), "a.txt:3: a NUL byte"},
      {"a.pdf", "text", "a.pdf: not a corpus file"},
      {"a", "text", "a: not a corpus file"},
  };
  for (const auto& one : kCases) {
    const std::string error = read_error(one.name, one.bytes);
    EXPECT_TRUE(contains(error, one.message)) << error;
  }
}

TEST(DocumentReader, LooksForEveryFileBeforeItBegins) {
  const fs::path dir = scratch();
  write_test_file(dir / "a.txt", "a");
  const auto error = [&](const fs::path& second) {
    return error_of([&] { DocumentReader({dir / "a.txt", second}, {}); });
  };
  EXPECT_TRUE(contains(error(dir / "none.txt"), "none.txt: cannot open"));
  fs::create_directory(dir / "b.txt");
  EXPECT_TRUE(contains(error(dir / "b.txt"), "is a directory"));
}

// Bytes as Python's codecs write them.
const std::string kKorean = "대한민국의 수도는 서울입니다. 뷁 똠";
const std::string kCp949 =
    "\xB4\xEB\xC7\xD1\xB9\xCE\xB1\xB9\xC0\xC7\x20\xBC\xF6\xB5\xB5\xB4\xC2\x20"
    "\xBC\xAD\xBF\xEF\xC0\xD4\xB4\xCF\xB4\xD9\x2E\x20\x94\xEE\x20\x8C\x63";
const std::string kUtf16 =
    std::string("\xFF\xFE\x98\xB0\x94\xB2\x0D\x00\x0A\x00\x3D\xD8\x00\xDE", 14);

TEST(DocumentReader, ReadsOtherEncodings) {
  const auto text = [](const std::string& bytes, const std::string& encoding) {
    const auto documents = read_text("a.txt", bytes, {.encoding = encoding});
    return documents.empty() ? "" : documents[0].text;
  };
  for (const char* name : {"cp949", "CP949", "euc-kr", "windows-949"})
    EXPECT_EQ(text(kCp949, name), kKorean + "\n") << name;
  EXPECT_EQ(text(kUtf16, "auto"), "나는\n😀\n");
  EXPECT_EQ(text(kUtf16.substr(2), "utf-16le"), "나는\n😀\n");
  EXPECT_EQ(text("\x93\xFA\x96\x7B\x8C\xEA", "shift_jis"), "日本語\n");
  const auto zipped =
      read_text("a.txt.gz", gzip(kCp949), {.encoding = "cp949"});
  EXPECT_EQ(zipped.at(0).text, kKorean + "\n");
  std::string large, expected;
  while (large.size() < 500'000) {  // characters across every buffer's end
    large += "a" + kCp949 + "\n";
    expected += "a" + kKorean + "\n";
  }
  std::string got;
  for (const Document& one : read_text("a.txt", large, {.encoding = "cp949"}))
    got += one.text;
  EXPECT_EQ(got, expected);
}

TEST(DocumentReader, NamesWhatAnEncodingIs) {
  EXPECT_TRUE(contains(read_error("a.txt", kCp949),
                       "Korean text in CP949 (EUC-KR), not in UTF-8; read it "
                       "with --encoding cp949"));
  EXPECT_TRUE(contains(read_error("a.txt", kUtf16.substr(2)), "utf-16le"));
  EXPECT_TRUE(contains(read_error("a.txt", "a", {.encoding = "utf-99"}),
                       "encoding \"utf-99\" is not known"));
  // French in Latin-1 is not taken for Korean.
  EXPECT_EQ(read_text("a.txt", "un caf\xE9, un r\xEAve \xE0 No\xEBl")[0].text,
            "un caf\uFFFD, un r\uFFFDve \uFFFD No\uFFFDl\n");
  for (const char* name : {"a.parquet", "a.arrow", "a.xlsx"})
    EXPECT_TRUE(contains(read_error(name, "PAR1"), "to_json")) << name;
}

TEST(DocumentReader, TakesTheTextFromTheKeyThatIsNamed) {
  const auto documents = read_text("a.jsonl", R"({"content": "a", "text": 7})",
                                   {.text_key = "content"});
  EXPECT_EQ(documents.at(0).text, "a");
  EXPECT_TRUE(contains(read_error("a.jsonl", R"({"content": "a"})"),
                       "missing key \"text\"; --text-key names"));
}

TEST(DocumentReader, ReplacesOrRefusesInvalidUtf8) {
  const std::string text = "one\ntw\xFFo\n";
  const auto documents = read_text("a.txt", text);
  ASSERT_EQ(documents.size(), 1u);
  EXPECT_EQ(documents[0].text, "one\ntw\xEF\xBF\xBDo\n");
  EXPECT_TRUE(documents[0].repaired);
  EXPECT_TRUE(contains(read_error("a.txt", text, kRefuse),
                       "a.txt:2: not UTF-8 (byte 0xFF)"));
  const std::string line = "{\"text\": \"\xC0\"}\n";
  EXPECT_EQ(read_text("a.jsonl", line).size(), 1u);
  EXPECT_TRUE(
      contains(read_error("a.jsonl", line, kRefuse), "a.jsonl:1: not UTF-8"));
  const std::string half = "{\"text\": \"cut \\ud83d here\"}\n";
  const auto repaired = read_text("a.jsonl", half);
  ASSERT_EQ(repaired.size(), 1u);
  EXPECT_EQ(repaired[0].text, "cut \xEF\xBF\xBD here");
  EXPECT_TRUE(repaired[0].repaired);
  EXPECT_TRUE(contains(read_error("a.jsonl", half, kRefuse),
                       "a.jsonl:1: half of a surrogate pair"));
}

}  // namespace
}  // namespace seodang
