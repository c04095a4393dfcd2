#!/bin/sh
# Writes prose.ko.jsonl.gz and prose.en.jsonl.gz beside this script, from the
# packages named below (Debian 12). Only to make them anew: both are committed.
#   sh data/prose/make_prose.sh [FOLDER WITH THE .deb FILES]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
debs=${1:-$(mktemp -d)}
unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
cd "$debs"
for package in installation-guide-amd64 debian-faq debian-faq-ko debian-handbook \
  libreoffice-help-ko; do
  ls "$package"_*.deb >/dev/null 2>&1 || apt-get download "$package"
  dpkg-deb --fsys-tarfile "$package"_*.deb |
    tar -x -C "$unpacked" --wildcards '*.html' --exclude='*/images/*'
done
python3 "$here/extract_prose.py" "$unpacked/usr/share/doc" "$here"
