#!/bin/sh
# Raises vm.max_map_count of the node to what Memgraph wants. $1: its file. A higher value stays.
set -eu
wanted=262144
read -r now < "$1"
if [ "$now" -lt "$wanted" ]; then
  echo "$wanted" > "$1"
fi
