package dev.attune.server.webhooks;

import java.net.Inet4Address;
import java.net.InetAddress;

/** Which addresses are on the public network. */
final class Addresses {
  private Addresses() {}

  static boolean isPublic(InetAddress address) {
    if (address.isLoopbackAddress()
        || address.isAnyLocalAddress()
        || address.isLinkLocalAddress()
        || address.isSiteLocalAddress()
        || address.isMulticastAddress()) {
      return false;
    }
    byte[] bytes = address.getAddress();
    return address instanceof Inet4Address ? isPublic4(bytes, 0) : isPublic6(bytes);
  }

  private static boolean isPublic4(byte[] bytes, int at) {
    int a = bytes[at] & 0xFF;
    int b = bytes[at + 1] & 0xFF;
    int c = bytes[at + 2] & 0xFF;
    boolean isShared = a == 100 && b >= 64 && b < 128;
    boolean isPrivate = a == 10 || a == 172 && b >= 16 && b < 32 || a == 192 && b == 168;
    boolean isSpecial =
        a == 0
            || a == 127
            || a == 169 && b == 254
            || a == 192 && b == 0 && (c == 0 || c == 2)
            || a == 198 && (b == 18 || b == 19 || b == 51 && c == 100)
            || a == 203 && b == 0 && c == 113
            || a >= 224;
    return !isShared && !isPrivate && !isSpecial;
  }

  /** Only global unicast; where that holds an address of the older kind, that one counts. */
  private static boolean isPublic6(byte[] bytes) {
    int first = (bytes[0] & 0xFF) << 8 | bytes[1] & 0xFF;
    int second = (bytes[2] & 0xFF) << 8 | bytes[3] & 0xFF;
    if (first == 0x2002) {
      return isPublic4(bytes, 2);
    }
    if (first == 0x64 && second == 0xff9b) {
      return isPublic4(bytes, 12);
    }
    boolean isSpecial = first == 0x2001 && (second == 0 || second == 0xdb8);
    return (first & 0xE000) == 0x2000 && !isSpecial;
  }
}
