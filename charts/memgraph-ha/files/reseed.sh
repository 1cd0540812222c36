#!/bin/sh
# Begins this instance anew if the controller ordered it: its data is moved aside, and Memgraph starts without any.
# It decides nothing. usage: reseed.sh VOLUME ORDERS STATE (folders); POD_NAME and POD_UID say which pod this is.
#
# An order names the pod that it is to replace. Every start leaves its pod's UID on the volume, so an order is for the
# next pod only, and never for the same volume twice. It may be killed between any two steps and run again: data is
# there to be moved only until Memgraph has been ordered anew, and Memgraph does not start before this has ended.
set -u
volume=$1 orders=$2 state=$3
data=$volume/mg_data
known=$volume/.memgraph-ha-pod-uid
order=$orders/pod-${POD_NAME##*-}

say() {
  printf '{"ts":"%s","level":"%s","program":"reseed","event":"%s","message":"%s"}\n' \
    "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$1" "$2" "$3" >&2
}

number() {
  case $1 in '' | *[!0-9]*) return 1 ;; esac
}

# Whether there is an order for the successor of the pod that ran here before, still good, in the published epoch.
ordered() {
  [ -f "$order" ] && [ -f "$known" ] || return 1
  pod_uid='' epoch='' expires=''
  while IFS='=' read -r key value; do
    case $key in
      podUID) pod_uid=$value ;;
      epoch) epoch=$value ;;
      expires) expires=$value ;;
    esac
  done <"$order"
  if [ -z "$pod_uid" ] || ! number "$epoch" || ! number "$expires"; then
    say warning ReseedRefused 'the order is malformed'
  elif [ "$pod_uid" != "$(cat "$known")" ]; then
    say info ReseedRefused 'the order is for another pod'
  elif [ "$(date +%s)" -ge "$expires" ]; then
    say warning ReseedRefused 'the order has expired'
  elif [ "$(cat "$state/epoch" 2>/dev/null)" != "$epoch" ]; then
    say warning ReseedRefused "the order is of epoch $epoch, which is not the published one"
  else
    return 0
  fi
  return 1
}

# One copy an instance: an older one makes room first.
move_aside() {
  for old in "$volume"/mg_data.old-*; do
    if [ -e "$old" ]; then rm -rf "$old" || return 1; fi
  done
  mv "$data" "$data.old-$epoch"
}

if ordered && [ -e "$data" ]; then
  if move_aside; then
    say info DataMovedAside "the former data is mg_data.old-$epoch"
  else
    say error ReseedFailed 'the data could not be moved aside: Memgraph starts with it'
  fi
fi

# From here on no order is for this pod. Removing needs no space; without a UID, no order is for the next pod either.
if ! rm -f "$known"; then
  say error ReseedFailed 'the UID of the former pod could not be removed from the volume'
  exit 1
fi
if ! { printf '%s\n' "$POD_UID" >"$known.new" && mv "$known.new" "$known"; }; then
  say warning PodUIDNotWritten 'this instance can not be begun anew before its next start'
fi
