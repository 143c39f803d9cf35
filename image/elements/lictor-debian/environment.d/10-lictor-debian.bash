# What diskimage-builder's elements want to know of a base system. `lictor image build` sets the rest.
export DISTRO_NAME=debian
export DIB_INIT_SYSTEM=systemd
# The agent sets up interfaces.
export DIB_APT_MINIMAL_CREATE_INTERFACES=0
# diskimage-builder takes Debian's for Python 2.
export DIB_PYTHON_VERSION=3
