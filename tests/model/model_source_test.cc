// Directories as they lie on people's disks: what the index names counts.
#include "model/model_source.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "error_of.h"
#include "model/convert_model.h"
#include "model/model.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

const fs::path kFamilies =
    fs::path(SEODANG_SOURCE_DIR) / "tests/model/data/families";

// A small Llama whose tensors a test puts into files as it likes.
class ModelSourceTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::remove_all(dir_);
    fs::create_directories(dir_);
    write_file(dir_ / "config.json", model_.config().to_json());
    for (const NamedTensor& weight :
         named_weights(model_.config(), model_.weights())) {
      const Tensor& t = weight.tensor;
      items_.push_back({weight.name,
                        weight.decayed ? std::vector<int64_t>{t.rows, t.cols}
                                       : std::vector<int64_t>{t.cols},
                        t});
    }
  }

  static Model make(uint64_t seed) {
    ModelConfig config = config_of_size(model_size("nano"), 64);
    config.tie_word_embeddings = false;
    return Model::random(config, seed, Dtype::f32);
  }

  // Every second item from `first` on.
  std::vector<SafetensorsItem> half(size_t first) const {
    std::vector<SafetensorsItem> out;
    for (size_t i = first; i < items_.size(); i += 2) out.push_back(items_[i]);
    return out;
  }

  void write_index(
      const std::vector<std::pair<std::string, std::string>>& map) {
    Json index;
    for (const auto& [name, file] : map) index["weight_map"][name] = file;
    write_file(dir_ / "model.safetensors.index.json", index.dump());
  }

  // Halves in two files, and the index that says so.
  void write_halves(const std::string& one, const std::string& two) {
    std::vector<std::pair<std::string, std::string>> map;
    write_safetensors(dir_ / one, half(0));
    write_safetensors(dir_ / two, half(1));
    for (size_t i = 0; i < items_.size(); ++i)
      map.emplace_back(items_[i].name, i % 2 == 0 ? one : two);
    write_index(map);
  }

  // Other numbers under all names.
  void write_stale(const std::string& file) {
    std::vector<SafetensorsItem> items;
    for (const SafetensorsItem& item : items_)
      items.push_back({item.name, item.shape, {}});
    const auto weights = named_weights(stale_.config(), stale_.weights());
    for (size_t i = 0; i < items.size(); ++i)
      items[i].tensor = weights[i].tensor;
    write_safetensors(dir_ / file, items);
  }

  void expect_the_model() const {
    for (const Model& again :
         {Model::load(dir_, Dtype::f32), Model::map(dir_, Dtype::f32)}) {
      const auto expected = named_weights(model_.config(), model_.weights());
      const auto read = named_weights(again.config(), again.weights());
      ASSERT_EQ(read.size(), expected.size());
      for (size_t i = 0; i < read.size(); ++i) {
        const float* a = read[i].tensor.row<float>(0);
        EXPECT_TRUE(std::equal(a, a + read[i].tensor.size(),
                               expected[i].tensor.row<float>(0)))
            << read[i].name;
      }
    }
  }

  std::string refusal() const {
    return error_of([&] { Model::map(dir_, Dtype::f32); });
  }
  void expect_refused(const std::string& says) const {
    EXPECT_NE(refusal().find(says), std::string::npos) << refusal();
  }

  const fs::path dir_ = fs::path(testing::TempDir()) / "seodang_model_source";
  const Model model_ = make(1), stale_ = make(2);
  std::vector<SafetensorsItem> items_;
};

TEST_F(ModelSourceTest, FollowsTheIndexWhateverLiesBeside) {
  write_stale("model.safetensors");
  write_stale("model-00001-of-00003.safetensors");
  write_halves("weights-1.safetensors", "weights-2.safetensors");
  expect_the_model();
}

TEST_F(ModelSourceTest, ATensorIsReadFromTheFileThatTheIndexNames) {
  write_halves("model-00001-of-00002.safetensors",
               "model-00002-of-00002.safetensors");
  std::vector<SafetensorsItem> both = half(1);
  both.push_back(items_[0]);  // once more, with other numbers
  both.back().tensor = stale_.weights().embed_tokens;
  write_safetensors(dir_ / "model-00002-of-00002.safetensors", both);
  expect_the_model();
}

TEST_F(ModelSourceTest, AnIndexMayNameOneFile) {
  write_safetensors(dir_ / "all.safetensors", items_);
  std::vector<std::pair<std::string, std::string>> map;
  for (const SafetensorsItem& item : items_)
    map.emplace_back(item.name, "all.safetensors");
  write_index(map);
  expect_the_model();
}

TEST_F(ModelSourceTest, ShardsNeedNoIndexButAllOfThem) {
  write_safetensors(dir_ / "model-00001-of-00002.safetensors", half(0));
  expect_refused("model-00002-of-00002.safetensors is missing");
  write_safetensors(dir_ / "model-00002-of-00002.safetensors", half(1));
  expect_the_model();
  write_safetensors(dir_ / "model-00002-of-00002.safetensors", items_);
  expect_refused("lies in model-00001-of-00002.safetensors and in");
}

TEST_F(ModelSourceTest, NamesTheShardThatIsMissing) {
  write_halves("model-00001-of-00002.safetensors",
               "model-00002-of-00002.safetensors");
  fs::remove(dir_ / "model-00002-of-00002.safetensors");
  expect_refused("model-00002-of-00002.safetensors is missing");
  const fs::path out = dir_ / "out.gguf";
  EXPECT_NE(error_of([&] {
              convert_model(dir_, out, ConvertType::as_stored);
            }).find("model-00002-of-00002.safetensors is missing"),
            std::string::npos);
  EXPECT_FALSE(fs::exists(out));
}

TEST_F(ModelSourceTest, IsCompleteByTheConfigurationAndNoMore) {
  std::vector<SafetensorsItem> items = items_;
  items.erase(items.begin() + 3);
  write_safetensors(dir_ / "model.safetensors", items);
  expect_refused("tensor " + items_[3].name + " is missing");
  for (const char* to : {"out.gguf", "out"}) {
    EXPECT_NE(error_of([&] {
                convert_model(dir_, dir_ / to, ConvertType::as_stored);
              }).find(items_[3].name),
              std::string::npos);
    EXPECT_FALSE(fs::exists(dir_ / to));
  }
  const OwnedTensor zeros(Dtype::f32, 1, 8);
  const auto with = [&](const char* name) {
    items = items_;
    items.push_back({name, {8}, zeros});
    write_safetensors(dir_ / "model.safetensors", items);
  };
  with("model.layers.0.self_attn.q_proj.bias");
  expect_refused("model.layers.0.self_attn.q_proj.bias is not one of");
  with("model.layers.9.input_layernorm.weight");  // a layer too many
  expect_refused("model.layers.9.input_layernorm.weight is not one of");
  // Tables that older transformers stored, which are computed.
  with("model.layers.0.self_attn.rotary_emb.inv_freq");
  expect_the_model();
}

TEST_F(ModelSourceTest, NonsenseIsOneLine) {
  expect_refused("no model.safetensors");
  write_file(dir_ / "pytorch_model.bin", "x");
  expect_refused("pytorch_model.bin is not read");
  for (const auto& [text, says] :
       {std::pair{R"({})", "no weight_map"},
        {R"({"weight_map": {}})", "weight_map is empty"},
        {R"({"weight_map": {"lm_head.weight": 3}})", "not a file name"},
        {R"({"weight_map": {"lm_head.weight": "../x"}})", "not a file name"},
        {R"({"weight_map": {"lm_head.weight": "x.safetensors"}})",
         "x.safetensors is missing"}}) {
    write_file(dir_ / "model.safetensors.index.json", text);
    expect_refused(says);
    EXPECT_EQ(refusal().find('\n'), std::string::npos);
  }
}

// The text part of a model that also sees pictures goes along, and nothing
// else.
TEST(ModelSource, ConvertsTheTextPartOfGemma3) {
  const fs::path dir = fs::path(testing::TempDir()) / "seodang_gemma3_vision";
  fs::remove_all(dir);
  fs::create_directories(dir);
  const ModelSource source(kFamilies / "gemma3_vision");
  EXPECT_EQ(source.vision_tensors(), 2);
  std::vector<SafetensorsItem> items;
  for (const SourceTensor& tensor : source.tensors())
    items.push_back({tensor.name, tensor.shape.in_file(), tensor.stored});
  write_file(dir / "config.json", source.config().to_json());
  write_safetensors(dir / "model.safetensors", items);
  const ModelSource text(dir);
  EXPECT_EQ(text.vision_tensors(), 0);
  EXPECT_EQ(text.tensors().size(), source.tensors().size());
}

}  // namespace
}  // namespace seodang
