/**
 * The board: runs of a store as a local web page, live. It answers on the loopback interface alone,
 * to names of this machine alone (a page from elsewhere cannot ask through a name that it has
 * turned to this address), changes nothing, and fetches nothing from anywhere.
 */
package dev.attune.track.board;
