@emulated-only
Feature: Modules that do not start as they should
  Each fault here is one that `bl702-emu faults` lists. What the flasher says has to lead a person to the
  cause: locked fuses, a dead crystal, an unknown flash and a tool set to the wrong chip look alike in other tools.

  Background:
    Given a healthy XT-ZB2 with EN on RTS and BOOT on DTR
    And its flash holds the reference pattern

  @reads
  Scenario Outline: Fuses lock the module: <fault>
    Given the fault "<fault>"
    When I back up the flash
    Then the flasher gives up with exit status 1
    And it says "<says>"
    And it names as the likely cause "eFuses of this chip let it run only images of its maker"
    And it advises "that is for ever"
    And it says that the flash is "unchanged by this run"
    And it says that the module "restarted"
    And the fault has shown
    And no fuse was burnt

    Examples:
      | fault         | says                                            |
      | efuse-locked  | would refuse this RAM loader with FL0206        |
      | efuse-sign    | header says sign type 0, the chip demands 1     |
      | efuse-encrypt | would refuse this RAM loader with FL0205        |

  @reads
  Scenario Outline: Fuses forbid the usual start of the RAM loader, and 1Ah does it: <fault>
    Given the fault "<fault>"
    When I back up the flash
    Then the backup equals the flash
    And the flasher started the RAM loader by the run command
    And no fuse was burnt

    Examples:
      | fault                   |
      | efuse-tz-boot           |
      | efuse-hbn-jump-disabled |

  @reads
  Scenario Outline: Faults that a good flasher does not even meet: <fault>
    Given the fault "<fault>"
    When I back up the flash
    Then the backup equals the flash
    And it had nothing to overcome
    And no fuse was burnt

    Examples:
      | fault                     |
      | efuse-media-boot-disabled |
      | efuse-read-refused        |
      | pll-refused               |
      | wrong-profile             |
      | loader-running            |
      | handshake-lost            |

  @reads
  Scenario Outline: Nothing answers: <fault>
    Given the fault "<fault>"
    When I back up the flash
    Then the flasher gives up with exit status 1
    And it says "no answer of the boot ROM to"
    And it names as the likely cause "<cause>"
    And it advises "hold BOOT (D28 on an XT-ZB2) at 3.3 V"
    And it says that the flash is "unchanged by this run"
    And it says that the module "did not answer"
    And the flasher asked for a pair of hands

    Examples:
      | fault               | cause                                 |
      | efuse-uart-disabled | an eFuse has switched the UART off    |
      | boot-strap-low      | BOOT was low when it left reset       |
      | en-held             | EN is held low                        |
      | tx-rx-swapped       | TX and RX are crossed wrongly         |

  @reads
  Scenario: BOOT low, and the firmware talks
    Given its flash holds the stock firmware
    And the fault "boot-strap-low"
    And a flasher that talks to the boot ROM at 2,000,000 baud
    When I back up the flash
    Then the flasher gives up with exit status 1
    And it says "text, as a firmware prints it"
    And it names as the likely cause "the module runs its firmware, since BOOT was low when it left reset"
    And it advises "Something has to hold BOOT high at the moment of the reset"

  @reads
  Scenario: A BOOT pin that nothing drives
    Given the fault "boot-strap-floating"
    When I back up the flash
    Then the backup equals the flash

  @reads
  Scenario Outline: The uploaded RAM loader never answers: <fault>
    Given the fault "<fault>"
    When I back up the flash
    Then the flasher gives up with exit status 1
    And it says "found right by the boot ROM and started 3 times, but never answered a handshake at 2000000, 1000000 or 500000 baud"
    And it names as the likely cause "the crystal or the PLL of the chip does not start"
    And it advises "look at the crystal"
    And it says that the flash is "unchanged by this run"
    And the fault has shown
    And no fuse was burnt

    Examples:
      | fault        |
      | pll-fail     |
      | crystal-dead |
