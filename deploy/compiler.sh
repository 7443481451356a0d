#!/bin/sh
# Copies the C and C++ compiler that is installed here into ROOT, a system root of its own: outside of
# PATH and of the folders that a model's process sees, so that the compile jail alone shows it.
#
#     compiler.sh ROOT     then CC="ROOT/usr/bin/gcc --sysroot=ROOT -BROOT/usr/bin"
#
# What shared libraries are made with comes along; static libraries, sanitizers, link-time optimisation
# and other languages don't. Needs patchelf.
set -eu
root=$1
libraries=/usr/lib/$(gcc -dumpmachine)
gcc=$(dirname "$(gcc -print-libgcc-file-name)")

take() { # to the same path below ROOT
    for path in "$@"; do
        mkdir -p "$root$(dirname "$path")"
        cp --archive --dereference "$path" "$root$path"
    done
}

link() { # what the jail shows of the system anyway
    for path in "$@"; do
        if [ -e "$path" ]; then ln -s "$path" "$root$libraries/"; fi
    done
}

programs="/usr/bin/gcc /usr/bin/as /usr/bin/ld"
for part in cc1 cc1plus collect2; do programs="$programs $(gcc -print-prog-name=$part)"; done

# shellcheck disable=SC2086 # a list
take $programs "$(dirname "$(gcc -print-prog-name=cc1)")/liblto_plugin.so" # the linker's, asked for always
take /usr/include "$gcc/include" "$gcc"/crt*.o "$gcc/libgcc.a" "$gcc/libgcc_eh.a"
take "$libraries"/*crt*.o "$libraries/libc.so" "$libraries/libc_nonshared.a" "$libraries/libm.so"
take "$libraries/libpthread.a" "$libraries/libdl.a" "$libraries/librt.a" # empty since glibc 2.34
cp "$gcc/libgcc_s.so" "$root$gcc/" # a linker script
ln -s "$libraries/libstdc++.so.6" "$root$gcc/libstdc++.so"
link "$libraries/libc.so.6" "$libraries/libm.so.6" "$libraries/libmvec.so.1"
link "$libraries/libgcc_s.so.1" "$libraries/libstdc++.so.6"
ln -s usr/lib "$root/lib"
for loader in /lib/ld-linux-*; do if [ -e "$loader" ]; then ln -s "$loader" "$root/usr/lib/"; fi; done
if [ -e /lib64 ]; then ln -s /lib64 "$root/lib64"; fi

# The programs' own libraries go with them, and are found there.
# shellcheck disable=SC2086 # a list
ldd $programs | awk '$3 ~ "/lib(bfd|opcodes|ctf|sframe|jansson|isl|mpc|mpfr|gmp)[-.]" {print $3}' |
    sort -u | while read -r library; do cp --dereference "$library" "$root$libraries/"; done
for file in $programs "$libraries"/lib*.so*; do
    if [ -f "$root$file" ] && [ ! -L "$root$file" ] && ldd "$root$file" >/dev/null 2>&1; then
        patchelf --set-rpath "$root$libraries" "$root$file"
    fi
done
