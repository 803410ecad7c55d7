@emulated-only
Feature: Bad lines and bad adapters
  Answers carry no checksum, and commands can be damaged on their way. The flasher repeats what may be repeated, finds
  back into step by the module's own rules, goes to a lower rate where it has to, and says at the end what it had to overcome.

  Background:
    Given a healthy XT-ZB2 with EN on RTS and BOOT on DTR
    And its flash holds the reference pattern
    And an image of 36 KiB for address 0x1800

  @reads
  Scenario Outline: A backup survives it and tells so: <fault>
    Given the fault "<fault>"
    When I back up the flash
    Then the backup equals the flash
    And it tells that it had to overcome "<overcome>"
    And the fault has shown

    Examples:
      | fault                  | overcome                                      |
      | adapter-1m-max         | fell back from 2000000 to 1000000 baud, because the RAM loader did not answer at 2000000 baud |
      | burst-noise            | 1 request sent again                          |
      | dropped-byte           | 1 request sent again                          |
      | duplicated-byte        | 1 request sent again                          |
      | inserted-zero          | 1 request sent again                          |
      | dropped-byte-to-module | 1 session lost and begun anew                 |
      | command-lost           | 1 session lost and begun anew                 |
      | reply-lost             | 1 session lost and begun anew                 |
      | reply-delayed          | 1 session lost and begun anew                 |
      | reply-repeated         | 1 request sent again                          |

  @writes
  Scenario Outline: A write survives it and tells so: <fault>
    Given the fault "<fault>"
    When I write the image
    Then the flash holds the image, and for the rest what it held before
    And it tells that it had to overcome "<overcome>"
    And the fault has shown

    Examples:
      | fault              | overcome                      |
      | bit-flip-to-module | 1 request sent again          |
      | damaged-ok         | 1 request sent again          |
      | damaged-pd         | 1 request sent again          |
      | write-refused-once | 1 request sent again          |

  @reads
  Scenario Outline: It only takes longer: <fault>
    Given the fault "<fault>"
    When I back up the flash
    Then the backup equals the flash
    And it had nothing to overcome

    Examples:
      | fault           |
      | stall           |
      | clog-then-burst |
      | ftdi-16ms       |
      | short-reads     |

  @reads
  Scenario: A flipped bit in an answer shows by the hash
    Given the fault "bit-flip-to-host"
    When I back up the flash
    Then the backup equals the flash

  @reads
  Scenario: A line so noisy that no block arrives whole
    Given the fault "line-noise"
    When I back up the flash
    Then the flasher gives up with exit status 1
    And it names as the likely cause "the line"
    And it advises "Shorten the wires"
    And it says that the flash is "unchanged by this run"

  @reads
  Scenario: A line that sticks in the middle of a run
    Given the fault "stuck-line"
    When I back up the flash
    Then the flasher gives up with exit status 1
    And it says "no answer of the boot ROM to"
    And it names as the likely cause "it had answered before in this run"
    And it says that the flash is "unchanged by this run"
