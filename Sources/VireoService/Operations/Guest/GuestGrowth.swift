// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore

/// What a guest did to use a disk that has become larger.
package struct GuestGrowth: Hashable, Sendable {
    /// The guest's names: `vda`, `vda2`, `vg0-root`; nil where there is none of that kind.
    package var device: String
    package var partition: String?
    package var volume: String?
    package var fileSystem: String
    package var mountPoint: String
    /// Size of the file system as `statfs` tells it, in bytes.
    package var total: UInt64?

    /// From the lines `key=value` that the script prints; nil when one is missing. A guest can say what it likes.
    init?(output: String) {
        var values: [String: String] = [:]
        for line in output.split(whereSeparator: \.isNewline).prefix(64) {
            let pair = line.split(separator: "=", maxSplits: 1)
            if pair.count == 2, pair[1].utf8.count <= 4096 { values[String(pair[0])] = String(pair[1]) }
        }
        guard let device = values["device"], let fileSystem = values["filesystem"], let mountPoint = values["mount"] else {
            return nil
        }
        (self.device, self.fileSystem, self.mountPoint) = (device, fileSystem, mountPoint)
        (partition, volume) = (values["partition"], values["volume"])
        total = values["total"].flatMap { UInt64($0) }
    }

    /// What the guest's shell runs, with the arguments: the domain's name of the disk, its size in bytes, its serial number.
    ///
    /// The disk is found by its serial number, else by its new size. Then what lies on it grows from below: the last partition,
    /// an LVM physical volume with the mounted logical volume on it, and the file system where it is mounted. Plain POSIX shell;
    /// every tool is looked for first, and what is missing is said. Doing it again does no harm.
    static let script = #"""
        target=$1 bytes=$2 serial=$3
        fail() { echo "$*" >&2; exit 1; }
        has() { command -v "$1" >/dev/null 2>&1; }
        run() { output=$("$@" 2>&1) || fail "$1: $output"; }
        size() { echo $(($(cat "/sys/class/block/$1/size") * 512)); }
        PATH=$PATH:/usr/sbin:/sbin

        for rescan in /sys/class/scsi_device/*/device/rescan; do
            [ -w "$rescan" ] && echo 1 >"$rescan"
        done
        find_disk() {
            found= count=0
            for path in /sys/block/*; do
                name=${path##*/}
                case $name in loop*|ram*|zram*|dm-*|md*|sr*|fd*|nbd*) continue ;; esac
                [ "$(size "$name")" = "$bytes" ] || continue
                if [ -n "$serial" ] && [ "$(cat "$path/serial" "$path/device/serial" 2>/dev/null)" = "$serial" ]; then
                    found=$name count=1
                    return
                fi
                [ "$name" = "$target" ] && found=$name
                [ -n "$found" ] || found=$name
                count=$((count + 1))
            done
        }
        tries=0
        find_disk
        while [ "$count" = 0 ] && [ "$tries" -lt 10 ]; do
            sleep 0.3
            tries=$((tries + 1))
            find_disk
        done
        [ "$count" = 0 ] && fail "the guest sees no disk of $bytes bytes"
        [ "$count" -gt 1 ] && [ "$found" != "$target" ] && fail "the guest has $count disks of $bytes bytes, and cannot tell which is meant; give the disk a serial number"
        disk=$found
        echo "device=$disk"

        part= start=0
        for path in "/sys/block/$disk/$disk"*; do
            [ -e "$path/partition" ] || continue
            if [ "$(cat "$path/start")" -gt "$start" ]; then part=${path##*/} start=$(cat "$path/start"); fi
        done
        if [ -n "$part" ]; then
            number=$(cat "/sys/class/block/$part/partition")
            before=$(size "$part")
            if has growpart; then
                growpart "/dev/$disk" "$number" >/dev/null 2>&1
            elif has sfdisk; then
                sfdisk --no-reread --force --relocate gpt-bak-std "/dev/$disk" >/dev/null 2>&1
                echo ', +' | sfdisk --no-reread --force -N "$number" "/dev/$disk" >/dev/null 2>&1
                has partx && partx -u --nr "$number" "/dev/$disk" >/dev/null 2>&1
            elif has parted; then
                parted -s ---pretend-input-tty "/dev/$disk" resizepart "$number" 100% >/dev/null 2>&1 </dev/null
            else
                fail "the guest has none of growpart, sfdisk and parted to grow partition $part"
            fi
            room=$((bytes - (start + 2048 + 34) * 512))
            [ "$(size "$part")" -lt "$room" ] && [ "$(size "$part")" -le "$before" ] && fail "partition $part could not be grown beyond $before bytes"
            echo "partition=$part"
            top=$part
        else
            top=$disk
        fi

        holder=
        for path in "/sys/class/block/$top/holders"/dm-*; do
            [ -e "$path" ] || continue
            uuid=$(cat "/sys/block/${path##*/}/dm/uuid")
            case $uuid in
            LVM-*)
                number=$(cat "/sys/block/${path##*/}/dev")
                awk -v n="$number" '$3 == n { found = 1 } END { exit !found }' /proc/self/mountinfo && holder=${path##*/}
                ;;
            CRYPT-*)
                has cryptsetup || fail "the guest has no cryptsetup to grow what is encrypted on $top"
                run cryptsetup resize "$(cat "/sys/block/${path##*/}/dm/name")"
                holder=${path##*/}
                ;;
            esac
        done
        case ${uuid:-} in
        LVM-*)
            has pvresize && has lvextend || fail "the guest has no LVM tools to grow what is on $top"
            [ -n "$holder" ] || fail "no mounted logical volume lies on $top"
            run pvresize "/dev/$top"
            name=$(cat "/sys/block/$holder/dm/name")
            lvextend -l +100%FREE "/dev/mapper/$name" >/dev/null 2>&1
            ;;
        esac
        if [ -n "$holder" ]; then
            echo "volume=$(cat "/sys/block/$holder/dm/name")"
            top=$holder
        fi

        number=$(cat "/sys/class/block/$top/dev")
        line=$(awk -v n="$number" '$3 == n { for (i = 7; i <= NF; i++) if ($i == "-") { print $5, $(i + 1); exit } }' /proc/self/mountinfo)
        [ -n "$line" ] || fail "nothing of $disk that could grow is mounted in the guest: the last partition, or the whole disk, holds no mounted file system"
        mount=${line% *} kind=${line##* }
        device=/dev/$top
        [ -n "$holder" ] && device=/dev/mapper/$(cat "/sys/block/$holder/dm/name")
        case $kind in
        ext2|ext3|ext4)
            has resize2fs || fail "the guest has no resize2fs"
            run resize2fs "$device"
            ;;
        xfs)
            has xfs_growfs || fail "the guest has no xfs_growfs"
            run xfs_growfs "$mount"
            ;;
        btrfs)
            has btrfs || fail "the guest has no btrfs"
            run btrfs filesystem resize max "$mount"
            ;;
        *) fail "file systems of type $kind do not grow while they are mounted" ;;
        esac
        echo "filesystem=$kind"
        echo "mount=$mount"
        set -- $(stat -f -c '%S %b' "$mount" 2>/dev/null)
        [ $# = 2 ] && echo "total=$(($1 * $2))"
        exit 0
        """#
}
