#!/bin/sh
# Runs a command as N ranks of Open MPI, each on a host of its own: network
# namespaces of this machine (ip, tc; needs root), joined by a switch, every host
# sending at most at RATE (as tc spells it: 1gbit, 10gbit) or as fast as it goes
# (full). Cores and files are those of the machine.
#   bench/hosts.sh 2 1gbit build/seodang pretrain --threads 1 ...
set -eu
[ $# -ge 3 ] || { sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 2; }
ranks=$1 rate=$2
shift 2
name=sd$$
scratch=$(mktemp -d)
agent=$scratch/agent
cleanup() {
  rm -rf "$scratch"
  for space in $(ip netns list | grep -o "^$name[a-z0-9]*"); do
    ip netns delete "$space"
  done
}
trap cleanup EXIT

ip netns add ${name}s
ip -n ${name}s link add switch type bridge
ip -n ${name}s link set switch up
hosts=
i=1
while [ $i -le "$ranks" ]; do
  host=$name$i
  ip netns add $host
  ip link add eth netns $host type veth peer name port$i netns ${name}s
  ip -n ${name}s link set port$i master switch up
  ip -n $host addr add 10.9.0.$i/24 dev eth
  ip -n $host link set eth up
  ip -n $host link set lo up
  [ "$rate" = full ] ||
    ip netns exec $host tc qdisc add dev eth root tbf rate "$rate" burst 256kb latency 100ms
  hosts=$hosts${hosts:+,}10.9.0.$i:1
  i=$((i + 1))
done

# What mpirun calls in place of ssh: HOST COMMAND... Files that Open MPI makes for
# a host lie in a directory of its own.
cat > "$agent" <<AGENT
#!/bin/sh
space=$name\${1##*.}
shift
export TMPDIR=$scratch/\$space
mkdir -p \$TMPDIR
exec ip netns exec \$space sh -c "\$*"
AGENT
chmod +x "$agent"

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# Hosts of one name would be taken for one, whose ranks share memory.
ip netns exec ${name}1 mpirun --mca plm_rsh_agent "$agent" --mca btl tcp,self \
  --mca btl_tcp_if_include 10.9.0.0/24 --mca oob_tcp_if_include 10.9.0.0/24 \
  --host "$hosts" --bind-to none -n "$ranks" "$@"
