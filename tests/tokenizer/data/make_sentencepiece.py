#!/usr/bin/python3
"""Writes extra-spaces/tokenizer.model and lines.json: a BPE model that
sentencepiece itself trains on sample.txt, with its default
remove_extra_whitespaces, and the ids that it gives to some lines.

    apt-get install python3-sentencepiece
    ./make_sentencepiece.py
"""
import json
import pathlib

import sentencepiece

here = pathlib.Path(__file__).parent
out = here / "extra-spaces"
out.mkdir(exist_ok=True)
sentencepiece.SentencePieceTrainer.train(
    input=str(here / "sample.txt"), model_prefix=str(out / "tokenizer"),
    model_type="bpe", vocab_size=900, byte_fallback=True,
    normalization_rule_name="identity", character_coverage=0.99,
    minloglevel=2)
(out / "tokenizer.vocab").unlink()
model = sentencepiece.SentencePieceProcessor(
    model_file=str(out / "tokenizer.model"))
lines = ["", " ", "a", " a", "a ", "  two   spaces  ", "나는 아침에 밥을",
         "  나는  아침에   밥을 먹었다. ", "a\tb \n c", "  \n  x", "x\u3000y",
         "The quick  brown fox", "괜찮아요? 뷁!"]
(out / "lines.json").write_text(
    "[\n" + ",\n".join(" " + json.dumps([line, model.encode(line)],
                                        ensure_ascii=False)
                       for line in lines) + "\n]\n")
