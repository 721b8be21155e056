package dev.attune.kernels.cuda;

import org.bytedeco.javacpp.Pointer;

/** A JavaCPP pointer that is moved about, so that calls with pointers leave no garbage. */
final class Address extends Pointer {
  Address() {
    super((Pointer) null);
  }

  /** Points it elsewhere. */
  Address at(long newAddress) {
    this.address = newAddress;
    return this;
  }
}
