@emulated-only
Feature: Power and cables that go in the middle of a run
  After a restart the flasher uploads the RAM loader again and goes on where it was; what was being written then is found
  by its hash and written again.

  Background:
    Given a healthy XT-ZB2 with EN on RTS and BOOT on DTR
    And its flash holds the reference pattern
    And an image of 36 KiB for address 0x1800

  @writes
  Scenario Outline: A write goes on after a restart: <fault>
    Given the fault "<fault>"
    When I write the image
    Then the flash holds the image, and for the rest what it held before
    And it tells that it had to overcome "1 restart of the module"
    And it tells that it had to overcome "<rewritten>"
    And the fault has shown
    And no fuse was burnt

    Examples:
      | fault             | rewritten                     |
      | power-cut-program | 1 sector written again        |
      | brown-out         | 1 sector written again        |
      | power-cut-erase   | 1 session lost and begun anew |
      | en-glitch         | 1 session lost and begun anew |
      | loader-hang       | 1 session lost and begun anew |

  @writes
  Scenario: The supply goes for good
    Given the fault "power-lost"
    When I write the image
    Then the flasher gives up with exit status 1
    And it says "no answer of the boot ROM to"
    And it names as the likely cause "it had answered before in this run, so supply or line were lost in the middle of it"
    And it says that the flash is "may be erased or written in part"
    And it says that the module "did not answer"

  @reads
  Scenario Outline: The adapter is pulled out: <fault>
    Given the fault "<fault>"
    When I back up the flash
    Then the flasher gives up with exit status 1
    And it says "has vanished while it was in use"
    And it names as the likely cause "the adapter was unplugged"
    And it advises "`backup --resume` continues from a part file"
    And it says that the flash is "unchanged by this run"
    And it says that the module "was in the middle of a command"

    Examples:
      | fault         |
      | usb-unplug    |
      | unplug-replug |
